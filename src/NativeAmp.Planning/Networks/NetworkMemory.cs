namespace NativeAmp.Planning;

/// <summary>
/// Bytes of a step of one of NativeAmp's own networks by kind, as its memory pool counts them ("memory" of nativeamp
/// train --json). It has the kinds that depend on the network alone: workspace depends on the backend, and other memory
/// on the data.
/// </summary>
/// <param name="Count">Number of parameters.</param>
/// <param name="Parameters">FP32 parameters.</param>
/// <param name="ComputeCopies">Compute copies of the parameters, which matrix products read.</param>
/// <param name="Gradients">Gradients: half precision if a single half-precision operator gives the whole gradient, else
/// float32 (docs/autograd.md).</param>
/// <param name="OptimizerState">Moments and step counts of Adam, the loss scale, the history of steps.</param>
/// <param name="Activations">Memory that a step needs in addition at its peak: outputs, tensors saved for the backward
/// pass, gradients of outputs.</param>
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
