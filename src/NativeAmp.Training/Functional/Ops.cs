namespace NativeAmp.Training;

/// <summary>
/// The operators of networks as functions. An operator over tensors that require gradients is recorded in the graph of
/// its output, unless <see cref="NoGrad"/> is in force. The active <see cref="Autocast"/> policy decides the dtype that
/// it computes in. Its output belongs to the innermost <see cref="TensorScope"/>, if there is one.
/// </summary>
public static partial class Ops
{
    /// <summary>Whether an operator over these inputs is recorded.</summary>
    internal static bool Records(Tensor a, Tensor? b = null, Tensor? c = null) =>
        GradMode.IsEnabled && (a.RequiresGrad || b is { RequiresGrad: true } || c is { RequiresGrad: true });

    /// <summary>Attaches a node to its output. Returns the output.</summary>
    internal static Tensor Record(Node node)
    {
        node.Output.Producer = node;
        ObserverFrame.Current?.Recorded(node);
        return node.Output;
    }
}
