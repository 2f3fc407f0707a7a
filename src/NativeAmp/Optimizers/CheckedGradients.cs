namespace NativeAmp;

/// <summary>
/// What became of an optimizer's gradients since they were last read: by which scaler, whether they still lie in memory
/// with its scale, and whether they are those that were read. A step after <see cref="GradScaler.Unscale"/> must use
/// these and no others.
/// </summary>
internal sealed class CheckedGradients(IParameter[] parameters)
{
    private LossScaleState? _scaler;
    private string? _gone;

    /// <summary>
    /// Whether they were checked by <see cref="GradScaler.Unscale"/> and lie in memory with their scale.
    /// </summary>
    public bool AreScaled { get; private set; }

    /// <summary>The scaler whose scale they carried, or null.</summary>
    public LossScaleState? Scaler => _scaler;

    /// <summary>
    /// How often gradients with a loss scale were unscaled or stepped with: one that began before must not be added to.
    /// </summary>
    public long Marks { get; private set; }

    /// <summary>Whether a gradient appeared or moved since they were read.</summary>
    public bool OthersCame { get; set; }

    /// <summary>They were read.</summary>
    public void Read(LossScaleState? scaler, bool areScaled)
    {
        Marks++;
        (AreScaled, _scaler, _gone, OthersCame) = (areScaled, scaler, null, false);
    }

    /// <summary>They were divided by the scale in memory.</summary>
    public void Unscaled() => (AreScaled, OthersCame) = (false, false);

    /// <summary>A step was taken with them, which read them itself if a scaler is given.</summary>
    public void Stepped(LossScaleState? readBy)
    {
        if (readBy is not null)
            Marks++;
        Forget("a step was taken with them");
    }

    /// <summary>They are not what counts any more.</summary>
    public void Forget(string reason) => (AreScaled, _gone) = (false, reason);

    /// <summary>Why the gradients there are now are not those that a scaler read; null if they are.</summary>
    public string? Outdated(LossScaleState scaler)
    {
        if (_gone is not null)
            return _gone;
        if (_scaler != scaler)
            return "another scaler unscaled them";
        if (OthersCame)
            return "a gradient came that was not there";
        return FirstNew() is { } parameter ? $"that of '{parameter.Name}' was cleared and began anew" : null;
    }

    /// <summary>Whether the gradients there are now are those that another scaler has unscaled.</summary>
    public bool AreUnscaledByOther(LossScaleState scaler) =>
        _gone is null && _scaler is not null && _scaler != scaler && FirstNew() is null;

    private IParameter? FirstNew() =>
        Array.Find(parameters, parameter => parameter is ITrackedParameter { HasNewGradient: true });
}
