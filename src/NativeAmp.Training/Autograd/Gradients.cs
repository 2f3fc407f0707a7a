namespace NativeAmp.Training;

/// <summary>Gradients as values, as <c>torch.autograd.grad</c> gives them.</summary>
public static class Gradients
{
    /// <summary>
    /// The gradients of a scalar with respect to these tensors, and to nothing else: no parameter's
    /// <see cref="Tensor.Gradient"/> is touched. Inputs may be leaves that require gradients or outputs of operators.
    /// </summary>
    /// <param name="scalar">A float32 scalar, such as a loss.</param>
    /// <param name="inputs">What to differentiate with respect to.</param>
    /// <returns>A tensor for each input, of its shape; it belongs to the innermost scope like an operator's
    /// output.</returns>
    /// <exception cref="ArgumentException">The scalar was not computed from one of the inputs.</exception>
    /// <exception cref="InvalidOperationException">As for <see cref="Tensor.Backward(bool)"/>.</exception>
    public static Tensor[] Of(Tensor scalar, params ReadOnlySpan<Tensor> inputs) =>
        Of(scalar, retainGraph: false, inputs);

    /// <summary>The same, for a graph that another backward pass is to go over.</summary>
    /// <param name="scalar">A float32 scalar, such as a loss.</param>
    /// <param name="retainGraph">As for <see cref="Tensor.Backward(bool)"/>.</param>
    /// <param name="inputs">What to differentiate with respect to.</param>
    /// <returns>A tensor for each input, of its shape.</returns>
    /// <exception cref="ArgumentException">The scalar was not computed from one of the inputs.</exception>
    /// <exception cref="InvalidOperationException">As for <see cref="Tensor.Backward(bool)"/>.</exception>
    public static Tensor[] Of(Tensor scalar, bool retainGraph, params ReadOnlySpan<Tensor> inputs)
    {
        ArgumentNullException.ThrowIfNull(scalar);
        foreach (Tensor input in inputs)
            ArgumentNullException.ThrowIfNull(input, nameof(inputs));
        return BackwardPass.Run(scalar, inputs, retainGraph);
    }
}
