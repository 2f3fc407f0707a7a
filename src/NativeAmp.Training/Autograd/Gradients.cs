namespace NativeAmp.Training;

/// <summary>Gradients as return values, as with <c>torch.autograd.grad</c>.</summary>
public static class Gradients
{
    /// <summary>
    /// Computes the gradients of a scalar with respect to these tensors only: no parameter's
    /// <see cref="Tensor.Gradient"/> changes. Inputs may be leaves that require gradients, or outputs of operators.
    /// </summary>
    /// <param name="scalar">A float32 scalar, such as a loss.</param>
    /// <param name="inputs">The tensors to differentiate with respect to.</param>
    /// <returns>A tensor for each input, of its shape; it belongs to the innermost scope like an operator's
    /// output.</returns>
    /// <exception cref="ArgumentException">The scalar was not computed from one of the inputs.</exception>
    /// <exception cref="InvalidOperationException">As for <see cref="Tensor.Backward(bool)"/>.</exception>
    public static Tensor[] Of(Tensor scalar, params ReadOnlySpan<Tensor> inputs) =>
        Of(scalar, retainGraph: false, inputs);

    /// <summary>Computes the gradients, and can keep the graph for another backward pass.</summary>
    /// <param name="scalar">A float32 scalar, such as a loss.</param>
    /// <param name="retainGraph">As for <see cref="Tensor.Backward(bool)"/>.</param>
    /// <param name="inputs">The tensors to differentiate with respect to.</param>
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
