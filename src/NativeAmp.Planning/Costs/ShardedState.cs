namespace NativeAmp.Planning;

/// <summary>
/// Bytes on one GPU per parameter of its part of the model, by kind, after ZeRO and offloading (arXiv 1910.02054,
/// section 5).
/// </summary>
internal readonly record struct ShardedState(
    double Weights,
    double Gradients,
    double Masters,
    double Moments,
    double GradientCopies,
    double Host
)
{
    /// <summary>Total bytes on the GPU.</summary>
    public double OnGpu => Weights + Gradients + Masters + Moments + GradientCopies;

    public static ShardedState Of(StateLayout layout, ParallelSplit split)
    {
        double d = split.Data,
            shard = split.ZeroStage >= 1 ? d : 1;
        double weights = layout.Weights / (split.ZeroStage == 3 ? d : 1);
        // DeepSpeed's ZeRO-3 reduces each half-precision gradient into the sharded float32 one at once.
        double gradients =
            split.ZeroStage == 3 && layout.GradientCopy > 0 ? 0 : layout.Gradient / (split.ZeroStage >= 2 ? d : 1);
        (double masters, double moments, double copies, double host) = (
            layout.Master / shard,
            layout.Moments / shard,
            layout.GradientCopy / shard,
            0
        );
        if (split.OffloadOptimizer)
        {
            host = masters + moments + copies;
            (masters, moments, copies) = (0, 0, 0);
            if (split.ZeroStage >= 2)
                (host, gradients) = (host + gradients, 0);
        }

        if (split.OffloadParameters)
            (host, weights) = (host + weights, 0);
        return new(weights, gradients, masters, moments, copies, host);
    }

    /// <summary>Bytes per parameter of the layer that ZeRO-3 has gathered: its weights and its gradient.</summary>
    public static double GatheredBytes(StateLayout layout) => layout.Weights + layout.Gradient;
}
