namespace NativeAmp.Training;

/// <summary>Whether operators record themselves, here and now.</summary>
public static class GradMode
{
    /// <summary>Whether operators over tensors that require gradients are recorded in this flow of control.</summary>
    public static bool IsEnabled => TensorScope.Innermost is not { RecordsGraph: false };
}

/// <summary>
/// A <see cref="TensorScope"/> in which nothing is recorded: evaluation, sampling. Like every scope it follows the flow
/// of control over <c>await</c> and into tasks that are started within it.
/// </summary>
public sealed class NoGrad : TensorScope
{
    private NoGrad()
        : base(recordsGraph: false) { }

    /// <summary>Stops recording in this flow of control until the result is disposed.</summary>
    public static new NoGrad Enter() => new();
}
