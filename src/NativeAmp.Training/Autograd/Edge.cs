namespace NativeAmp.Training;

/// <summary>
/// An input of an operator, as its node knows it: where a gradient goes, and the dtype in which the operator writes it.
/// </summary>
/// <param name="Tensor">The input; null where an operator does without one.</param>
/// <param name="DType">The gradient's dtype as the operator computes it.</param>
internal readonly record struct Edge(Tensor? Tensor, DType DType)
{
    /// <summary>
    /// An operator's operand: the gradient goes to its source, in the dtype that the operator computes in.
    /// </summary>
    public static implicit operator Edge(Operand operand) => new(operand.Source, operand.DType);

    /// <summary>An input whose gradient has its own dtype.</summary>
    public static implicit operator Edge(Tensor? tensor) => new(tensor, tensor?.DType ?? DType.Float32);
}
