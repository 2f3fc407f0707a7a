namespace NativeAmp.Training;

/// <summary>
/// An input of a node: the tensor that a gradient goes to, and the dtype in which the operator writes the gradient.
/// </summary>
/// <param name="Tensor">The input; null if an optional input was not given.</param>
/// <param name="DType">The gradient's dtype as the operator computes it.</param>
internal readonly record struct Edge(Tensor? Tensor, DType DType)
{
    /// <summary>The edge of an operand: the gradient goes to its source, in the operator's dtype.</summary>
    public static implicit operator Edge(Operand operand) => new(operand.Source, operand.DType);

    /// <summary>The edge of an input whose gradient has the input's dtype.</summary>
    public static implicit operator Edge(Tensor? tensor) => new(tensor, tensor?.DType ?? DType.Float32);
}
