namespace NativeAmp.Planning;

/// <summary>The split of a model over GPUs, and the methods that save memory.</summary>
public sealed record ParallelSplit
{
    /// <summary>GPUs that share each layer's products, t.</summary>
    public int Tensor { get; init; } = 1;

    /// <summary>Number of pipeline stages, p.</summary>
    public int Pipeline { get; init; } = 1;

    /// <summary>Copies of the model that work on different samples, d.</summary>
    public int Data { get; init; } = 1;

    /// <summary>Samples of a micro-batch, b.</summary>
    public int MicroBatch { get; init; } = 1;

    /// <summary>
    /// Groups of layers per stage, v, in the interleaved schedule (arXiv 2104.04473, section 2.2); 1 for the plain
    /// schedule.
    /// </summary>
    public int Interleave { get; init; } = 1;

    /// <summary>
    /// Whether norms and dropouts are split over the tensor group, along the sequence (arXiv 2205.05198, section 4.2).
    /// </summary>
    public bool SequenceParallel { get; init; }

    /// <summary>
    /// ZeRO stage of the data-parallel group: 0 shards nothing, 1 optimizer state, 2 gradients as well, 3 parameters as
    /// well (arXiv 1910.02054).
    /// </summary>
    public int ZeroStage { get; init; }

    /// <summary>The activations that are recomputed.</summary>
    public Recomputation Recompute { get; init; }

    /// <summary>Whether masters and optimizer state live in the host's memory, where the step is computed.</summary>
    public bool OffloadOptimizer { get; init; }

    /// <summary>Whether parameters live in the host's memory as well; needs ZeRO-3.</summary>
    public bool OffloadParameters { get; init; }

    /// <summary>Whether attention never writes its scores to memory, and skips masked positions.</summary>
    public bool FlashAttention { get; init; }

    /// <summary>Whether gradients are reduced while the backward pass goes on.</summary>
    public bool OverlapGradients { get; init; }

    /// <summary>Whether stages send only each GPU's part of a tensor (arXiv 2104.04473, section 4.1).</summary>
    public bool ScatterGather { get; init; } = true;

    /// <summary>Total number of GPUs.</summary>
    public long Gpus => (long)Tensor * Pipeline * Data;
}
