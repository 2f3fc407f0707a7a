namespace NativeAmp;

/// <summary>
/// The history of an optimizer's gradients since the last check: the scaler that checked them, whether they still carry
/// its scale in memory, and whether they are the same gradients. A step after <see cref="GradScaler.Unscale"/> must use
/// the checked gradients and no others.
/// </summary>
internal sealed class CheckedGradients(IParameter[] parameters)
{
    private LossScaleState? _scaler;
    private string? _gone;

    /// <summary>
    /// Whether <see cref="GradScaler.Unscale"/> checked the gradients and left them scaled in memory.
    /// </summary>
    public bool AreScaled { get; private set; }

    /// <summary>The scaler whose scale they carried, or null.</summary>
    public LossScaleState? Scaler => _scaler;

    /// <summary>
    /// Number of times that scaled gradients were unscaled or used by a step. A gradient that began before must not be
    /// added to.
    /// </summary>
    public long Marks { get; private set; }

    /// <summary>Whether a gradient appeared or moved since the check.</summary>
    public bool OthersCame { get; set; }

    /// <summary>Notes that the gradients were checked.</summary>
    public void Read(LossScaleState? scaler, bool areScaled)
    {
        Marks++;
        (AreScaled, _scaler, _gone, OthersCame) = (areScaled, scaler, null, false);
    }

    /// <summary>Notes that the gradients were divided by the scale in memory.</summary>
    public void Unscaled() => (AreScaled, OthersCame) = (false, false);

    /// <summary>Notes that a step used the gradients. If a scaler is given, the step checked them itself.</summary>
    public void Stepped(LossScaleState? readBy)
    {
        if (readBy is not null)
            Marks++;
        Forget("a step was taken with them");
    }

    /// <summary>Forgets the check, for a reason.</summary>
    public void Forget(string reason) => (AreScaled, _gone) = (false, reason);

    /// <summary>Why the current gradients are not those that a scaler checked; null if they are.</summary>
    public string? Outdated(LossScaleState scaler)
    {
        if (_gone is not null)
            return _gone;
        if (_scaler != scaler)
            return "another scaler unscaled them";
        if (OthersCame)
            return "a new gradient has appeared";
        return FirstNew() is { } parameter ? $"that of '{parameter.Name}' was cleared and began anew" : null;
    }

    /// <summary>Whether another scaler has unscaled the current gradients.</summary>
    public bool AreUnscaledByOther(LossScaleState scaler) =>
        _gone is null && _scaler is not null && _scaler != scaler && FirstNew() is null;

    /// <summary>
    /// A parameter whose gradient a scaler has unscaled, and which has got no new one since; null if there is none.
    /// </summary>
    public IParameter? UnscaledBefore(LossScaleState scaler) =>
        _gone is null && _scaler == scaler
            ? Array.Find(
                parameters,
                parameter => parameter is ITrackedParameter { HasNewGradient: false } && parameter.Gradient.Pointer != 0
            )
            : null;

    private IParameter? FirstNew() =>
        Array.Find(parameters, parameter => parameter is ITrackedParameter { HasNewGradient: true });
}
