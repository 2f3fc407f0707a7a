namespace NativeAmp.Training;

/// <summary>Whether operators record themselves on the tape of this thread.</summary>
public static class GradMode
{
    [ThreadStatic]
    private static int _disabled;

    /// <summary>Whether operators over tensors that require gradients are recorded.</summary>
    public static bool IsEnabled => _disabled == 0;

    internal static void Disable() => _disabled++;

    internal static void Enable() => _disabled--;
}

/// <summary>A <see cref="TensorScope"/> in which nothing is recorded on the tape: evaluation, sampling.</summary>
public sealed class NoGrad : TensorScope
{
    private bool _ended;

    private NoGrad() => GradMode.Disable();

    /// <summary>Stops recording on this thread until the result is disposed.</summary>
    public static new NoGrad Enter() => new();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (_ended)
            return;
        _ended = true;
        GradMode.Enable();
    }
}
