namespace NativeAmp.Planning;

/// <summary>
/// Bytes of a step of one of NativeAmp's own networks by kind, as its memory pool counts them ("memory" of nativeamp
/// train --json): the kinds that follow from the network. Workspace is its backend's own, and batches of data are the
/// data's.
/// </summary>
/// <param name="Count">Number of parameters.</param>
/// <param name="Parameters">FP32 parameters.</param>
/// <param name="ComputeCopies">Compute copies of the parameters that products read.</param>
/// <param name="Gradients">Gradients: half where one half operator gives a parameter all of it, else float32
/// (docs/autograd.md).</param>
/// <param name="OptimizerState">Moments and step counts of Adam, the loss scale, the history of steps.</param>
/// <param name="Activations">What a step needs beyond that at its peak: outputs, what is kept for the backward pass,
/// gradients of outputs.</param>
public sealed record NetworkMemory(
    double Count,
    double Parameters,
    double ComputeCopies,
    double Gradients,
    double OptimizerState,
    double Activations
)
{
    /// <summary>All kinds.</summary>
    public double Total => Parameters + ComputeCopies + Gradients + OptimizerState + Activations;
}
