namespace NativeAmp.Training;

/// <summary>
/// The operators of networks as functions. Those over tensors that require gradients record themselves in the graph
/// behind their output, unless <see cref="NoGrad"/> is in force; in which dtype they compute is the active
/// <see cref="Autocast"/>'s decision. What they return belongs to the innermost <see cref="TensorScope"/>, if there is
/// one.
/// </summary>
public static partial class Ops
{
    /// <summary>Whether an operator over these inputs is recorded.</summary>
    internal static bool Records(Tensor a, Tensor? b = null, Tensor? c = null) =>
        GradMode.IsEnabled && (a.RequiresGrad || b is { RequiresGrad: true } || c is { RequiresGrad: true });

    /// <summary>Makes a node the one behind its output, which it gives back.</summary>
    internal static Tensor Record(Node node)
    {
        node.Output.Producer = node;
        ObserverFrame.Current?.Recorded(node);
        return node.Output;
    }
}
