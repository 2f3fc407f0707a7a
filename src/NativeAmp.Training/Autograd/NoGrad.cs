namespace NativeAmp.Training;

/// <summary>Whether operators are recorded in the current flow of control.</summary>
public static class GradMode
{
    /// <summary>Whether operators over tensors that require gradients are recorded in this flow of control.</summary>
    public static bool IsEnabled => TensorScope.Innermost is not { RecordsGraph: false };
}

/// <summary>
/// A <see cref="TensorScope"/> in which no operator is recorded, for evaluation and sampling. Like every scope it
/// follows the flow of control over <c>await</c> and into tasks started within it.
/// </summary>
public sealed class NoGrad : TensorScope
{
    private NoGrad()
        : base(recordsGraph: false) { }

    /// <summary>Stops recording in this flow of control until the result is disposed.</summary>
    public static new NoGrad Enter() => new();
}
