namespace NativeAmp;

/// <summary>
/// The device memory of a training step by kind, in bytes as handed out (rounded up to the allocator's granule). The
/// seven kinds add up to <see cref="Peak"/>.
/// </summary>
/// <remarks>
/// Six kinds stay between two steps. <see cref="Activations"/> is the rest of the peak: the outputs of operators, the
/// values saved for the backward pass, the gradients of those outputs, and scratch that is not kept. Count from the
/// second step on (<see cref="Device.ResetPeakMemory"/> after the first): the first one still allocates gradients and
/// lets the workspace grow.
/// </remarks>
public sealed record StepMemory
{
    private StepMemory() { }

    /// <summary>Parameters, and the buffers of modules, such as the running statistics of batch norms.</summary>
    public long Parameters { get; private init; }

    /// <summary>
    /// FP16 or BF16 copies of FP32 parameters, which operators compute with; 0 in FP32, and of parameters that are in
    /// half precision themselves.
    /// </summary>
    public long ComputeCopies { get; private init; }

    /// <summary>Gradients of parameters.</summary>
    public long Gradients { get; private init; }

    /// <summary>
    /// Moments, remainders of masters and step counts of the optimizer, the loss scale, and the history of steps.
    /// </summary>
    public long OptimizerState { get; private init; }

    /// <summary>Memory that a step needs beyond everything that stays: the rest of the peak.</summary>
    public long Activations { get; private init; }

    /// <summary>Scratch memory of operators, kept from step to step.</summary>
    public long Workspace { get; private init; }

    /// <summary>Other memory that stays: batches of data, tensors of the caller.</summary>
    public long Other { get; private init; }

    /// <summary>Most bytes in use at once since the last <see cref="Device.ResetPeakMemory"/>.</summary>
    public long Peak { get; private init; }

    /// <summary>Counts a step.</summary>
    /// <param name="afterStep">
    /// <see cref="Device.MemoryStatistics"/> between two steps: the optimizer has stepped, gradients are cleared (their
    /// memory stays), and nothing of the step's graph is alive.
    /// </param>
    public static StepMemory Of(DeviceMemoryStatistics afterStep)
    {
        ArgumentNullException.ThrowIfNull(afterStep);
        return new StepMemory
        {
            Parameters = afterStep.LiveBytes(MemoryKind.Parameters),
            ComputeCopies = afterStep.LiveBytes(MemoryKind.ComputeCopies),
            Gradients = afterStep.LiveBytes(MemoryKind.Gradients),
            OptimizerState = afterStep.LiveBytes(MemoryKind.OptimizerState),
            Activations =
                afterStep.PeakTotalBytes - afterStep.LiveTotalBytes + afterStep.LiveBytes(MemoryKind.Activations),
            Workspace = afterStep.LiveBytes(MemoryKind.Workspace),
            Other = afterStep.LiveBytes(MemoryKind.Other),
            Peak = afterStep.PeakTotalBytes,
        };
    }
}
