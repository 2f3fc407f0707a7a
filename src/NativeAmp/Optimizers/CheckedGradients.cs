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
    /// Whether <see cref="GradScaler.Unscale"/> checked the gradients and left them scaled in memory, by a scale that
    /// is still the scaler's.
    /// </summary>
    public bool AreScaled { get; private set; }

    // Whether that scale is no longer the scaler's.
    private bool _scaleIsLost;

    /// <summary>The scaler that unscaled them, or null.</summary>
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
        (AreScaled, _scaler, _gone, OthersCame, _scaleIsLost) = (areScaled, scaler, null, false, false);
    }

    /// <summary>Notes that the gradients were divided by the scale in memory.</summary>
    public void Unscaled() => (AreScaled, OthersCame) = (false, false);

    /// <summary>Notes that a step used the gradients. If a scaler is given, the step checked them itself.</summary>
    public void Stepped(LossScaleState? readBy)
    {
        if (readBy is not null)
        {
            Marks++;
            (AreScaled, _scaler, _scaleIsLost) = (false, null, false);
        }
        Forget("a step was taken with them");
    }

    /// <summary>Notes that there are no gradients.</summary>
    public void Cleared()
    {
        (AreScaled, _scaleIsLost) = (false, false);
        Forget("ZeroGrad dropped them");
    }

    /// <summary>Forgets the check, for a reason.</summary>
    public void Forget(string reason) => _gone = reason;

    /// <summary>Runs before the scale changes, after a step with gradients that may still carry it.</summary>
    public void LoseScale() => (AreScaled, _scaleIsLost) = (false, _scaleIsLost || AreScaled);

    /// <summary>Throws if a parameter's gradient carries a scale that nobody knows any more.</summary>
    public void RequireScale(IParameter parameter)
    {
        if (_scaleIsLost && IsOld(parameter))
            throw new InvalidOperationException(
                $"The gradient of '{parameter.Name}' carries the loss scale of before the last Update still: read it, or "
                    + "step with it, between Unscale and Update, or call ZeroGrad and Backward before."
            );
    }

    /// <summary>The same for all parameters.</summary>
    public void RequireScale()
    {
        if (!_scaleIsLost)
            return;
        foreach (var parameter in parameters)
            RequireScale(parameter);
    }

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
    /// A parameter whose gradient <see cref="GradScaler.Unscale"/> has unscaled, and which has got no new one since,
    /// whether a step was taken or not; null if there is none.
    /// </summary>
    public IParameter? UnscaledBefore(LossScaleState scaler) =>
        _scaler == scaler ? Array.Find(parameters, IsOld) : null;

    private static bool IsOld(IParameter parameter) =>
        parameter is ITrackedParameter { HasNewGradient: false } && parameter.Gradient.Pointer != 0;

    private IParameter? FirstNew() =>
        Array.Find(parameters, parameter => parameter is ITrackedParameter { HasNewGradient: true });
}
