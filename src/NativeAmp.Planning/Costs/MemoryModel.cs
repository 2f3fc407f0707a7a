namespace NativeAmp.Planning;

/// <summary>Computes the memory of a GPU by kind.</summary>
internal static class MemoryModel
{
    /// <summary>The memory of the stage that needs the most.</summary>
    public static MemoryPlan Of(PlanRequest request)
    {
        MemoryPlan first = OfStage(request, last: request.Split.Pipeline == 1);
        if (request.Split.Pipeline == 1)
            return first;
        MemoryPlan last = OfStage(request, last: true);
        return last.Total > first.Total ? last : first;
    }

    /// <summary>
    /// Bytes that a layer keeps of one micro-batch on one GPU (arXiv 2205.05198, equations 1 to 6, table 2): sbh (34 +
    /// 5 a s / h) without parallelism; sbh (10 + 24 / t + 5 a s / h t) with tensor parallelism; 1 / t of everything
    /// with sequence parallelism; without the 5 a s / h with selective recomputation; 2 sbh with full recomputation.
    /// The 24 is split into its parts for other feed-forward sizes and grouped queries.
    /// </summary>
    public static double LayerActivations(PlanRequest request, Recomputation recompute)
    {
        (TransformerModel model, ParallelSplit split) = (request.Model, request.Split);
        double e = request.ElementBytes,
            t = split.Tensor;
        double sbh = SequenceElements(request);
        double replicated = split.SequenceParallel ? t : 1;
        if (recompute == Recomputation.Full)
            return e * sbh / replicated;
        // Inputs of two norms, of the projection to queries and of the feed-forward network; masks of two dropouts.
        double common = 4 * e + 2;
        double keysValues = 2.0 * model.KeyValueHeads / model.Heads;
        double hidden = (double)model.FeedForward / model.Width * (model.GatedFeedForward ? 3 : 2);
        double divided = e * (1 + keysValues + 1 + hidden);
        return sbh * (common / replicated + (divided + Core(request, recompute)) / t);
    }

    private static double Core(PlanRequest request, Recomputation recompute)
    {
        TransformerModel model = request.Model;
        if (request.Split.FlashAttention)
            return 4.0 * model.Heads / model.Width; // the sums of each row
        // Softmax, the mask of its dropout, the output of the dropout.
        return recompute == Recomputation.Selective
            ? 0
            : (2 * request.ElementBytes + 1) * model.Heads * model.Context / model.Width;
    }

    private static double SequenceElements(PlanRequest request) =>
        (double)request.Model.Context * request.Split.MicroBatch * request.Model.Width;

    private static MemoryPlan OfStage(PlanRequest request, bool last)
    {
        (TransformerModel model, ParallelSplit split, StateLayout layout) = (
            request.Model,
            request.Split,
            request.Layout
        );
        (double t, double p) = (split.Tensor, split.Pipeline);
        bool first = !last || p == 1;
        double layers = model.Layers / p * model.LayerParameters / t;
        double ends =
            (
                (first ? model.EmbeddingParameters : 0)
                + (last ? model.HeadParameters : 0)
                + (last && p > 1 && model.TiedEmbeddings ? (double)model.Vocabulary * model.Width : 0)
            ) / t;
        double parameters = layers + ends;

        ShardedState of = ShardedState.Of(layout, split);
        bool halves = layout.Master > 0;
        return new MemoryPlan
        {
            IsLastStage = last,
            Parameters = parameters * (halves ? of.Masters : of.Weights),
            ComputeCopies = parameters * (halves ? of.Weights : 0),
            Gradients = parameters * (of.Gradients + of.GradientCopies),
            OptimizerState = parameters * of.Moments,
            Activations = Activations(request, first, last),
            Workspace = Workspace(request, last),
            Communication = Communication(request, parameters),
            Reserved = request.Constants.ReservedBytes,
            Host = parameters * of.Host,
            LayerState = layers * of.OnGpu,
        };
    }

    private static double Activations(PlanRequest request, bool first, bool last)
    {
        (TransformerModel model, ParallelSplit split) = (request.Model, request.Split);
        double sbh = SequenceElements(request),
            e = request.ElementBytes;
        double replicated = split.SequenceParallel ? split.Tensor : 1;
        double p = split.Pipeline,
            m = request.MicroBatches;
        // The first stage has p micro-batches in flight, and (p - 1) / v more of a group with interleaving: l (1 + (p -
        // 1) / (p v)) layers.
        double inFlight =
            !first ? 1
            : m < p ? m
            : p + (split.Interleave > 1 ? (p - 1) / split.Interleave : 0);
        double kept = model.Layers / p * inFlight * LayerActivations(request, split.Recompute);
        // The mask of the embeddings' dropout; the last norm's input, the head's input and float32 logits.
        double embeddings = first ? sbh / replicated * inFlight : 0;
        double head = last
            ? 2 * e * sbh / replicated + 4.0 * model.Context * split.MicroBatch * model.Vocabulary / split.Tensor
            : 0;
        return kept + embeddings + head;
    }

    private static double Workspace(PlanRequest request, bool last)
    {
        (TransformerModel model, ParallelSplit split) = (request.Model, request.Split);
        Recomputation inside = split.Recompute == Recomputation.Full ? Recomputation.None : split.Recompute;
        double again =
            split.Recompute == Recomputation.None
                ? 0
                : LayerActivations(request, Recomputation.None)
                    - (split.Recompute == Recomputation.Selective ? LayerActivations(request, inside) : 0);
        double logits = last ? 4.0 * model.Context * split.MicroBatch * model.Vocabulary / split.Tensor : 0;
        double largest = Math.Max(model.LayerParameters, (double)model.Vocabulary * model.Width) / split.Tensor;
        double gathered = split.ZeroStage == 3 ? largest * ShardedState.GatheredBytes(request.Layout) : 0;
        return Math.Max(again, logits) + gathered + request.Constants.ProductWorkspaceBytes;
    }

    private static double Communication(PlanRequest request, double parameters)
    {
        ParallelSplit split = request.Split;
        double hidden = SequenceElements(request) * request.ElementBytes;
        double stages = split.Pipeline > 1 ? 4 * hidden / split.Tensor : 0;
        double tensor = split.Tensor > 1 ? 2 * hidden : 0;
        double buckets =
            split.Data > 1
                ? Math.Min(2 * request.Constants.GradientBucketBytes, parameters * request.Layout.Gradient)
                : 0;
        return stages + tensor + buckets;
    }
}
