namespace NativeAmp.Training;

/// <summary>
/// The operators of networks as functions. Those over tensors that require gradients record themselves on the tape, unless
/// <see cref="NoGrad"/> is in force; in which dtype they compute is the active <see cref="Autocast"/>'s decision. What they return
/// belongs to the innermost <see cref="TensorScope"/>, or to the tape.
/// </summary>
public static partial class Ops
{
    /// <summary>Whether an operator over these inputs goes on the tape.</summary>
    internal static bool Records(Tensor a, Tensor? b = null, Tensor? c = null) =>
        GradMode.IsEnabled && (a.RequiresGrad || b is { RequiresGrad: true } || c is { RequiresGrad: true });

    /// <summary>Puts a node on the tape and gives back its output.</summary>
    internal static Tensor Record(Node node)
    {
        Tape.Current.Record(node);
        return node.Output;
    }

    /// <summary>Tells a leaf in which dtype a gradient will come.</summary>
    internal static void Expect(Tensor? input, DType dtype)
    {
        if (input is { RequiresGrad: true, Producer: null })
            input.GradientBuffer.Expect(dtype);
    }
}
