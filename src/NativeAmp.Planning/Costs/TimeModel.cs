namespace NativeAmp.Planning;

/// <summary>
/// Computes the time of a step. For each micro-batch on the slowest stage it adds FLOP of matrix products over a share
/// of the peak, bytes of element-wise kernels over a share of the memory bandwidth, and bytes of communication over a
/// share of the links. Then come the bubble of (p - 1) / v micro-batches (arXiv 2104.04473, section 2.2), the gradients
/// and the optimizer.
/// </summary>
internal static class TimeModel
{
    // Bytes of a pass over a layer, by sbh, in half precision. Norms read and write (2 × 4), branches get bias, dropout
    // and the sum (2 × 7).
    private const double OutsideTensorGroup = 22;

    // Queries, keys and values are copied to their heads and back.
    private const double Transposes = 14;

    // By element of the scores: scale, mask and softmax read and write (4), dropout as well, with its mask (5).
    private const double Scores = 9;

    // Float32 logits, written and read by the loss and its gradient.
    private const double LogitBytes = 18;

    // A parameter's master, moments, gradient and copy, read and written.
    private const double OptimizerBytes = 40;

    public static TimePlan Of(PlanRequest request)
    {
        (TransformerModel model, ParallelSplit split, MachineConstants c) = (
            request.Model,
            request.Split,
            request.Constants
        );
        (double t, double p, double v) = (split.Tensor, split.Pipeline, split.Interleave);
        double tokens = (double)split.MicroBatch * model.Context,
            m = request.MicroBatches;
        double layers = model.Layers / p;
        double peak = request.Gpu.Peak(request.Precision) * c.ProductEfficiency,
            memory = request.Gpu.MemoryBandwidth * c.MemoryEfficiency;

        double products = tokens * (2 * model.LayerMatrixElements + FlopPlan.CorePerToken(request)) / t / peak;
        double elementWise = ElementBytes(request) / memory;
        double sums =
            split.Tensor == 1
                ? 0
                : 2
                    * 2
                    * (t - 1)
                    / t
                    * tokens
                    * model.Width
                    * request.ElementBytes
                    / (request.Gpu.LinkBandwidth * c.LinkEfficiency);
        double again = split.Recompute switch
        {
            Recomputation.Full => products + elementWise + sums,
            Recomputation.Selective when !split.FlashAttention => tokens * FlopPlan.CorePerToken(request) / t / peak
                + ScoreBytes(request) / memory,
            _ => 0,
        };
        double headProducts = 6 * tokens * model.Width * model.Vocabulary / t / peak;
        double headBytes = LogitBytes * tokens * model.Vocabulary / t / memory;
        double transfer =
            p == 1
                ? 0
                : 2
                    * v
                    * tokens
                    * model.Width
                    * request.ElementBytes
                    / (split.ScatterGather ? t : 1)
                    / (request.Gpu.NetworkBandwidth * c.NetworkEfficiency);
        double microBatch =
            layers * (3 * products + 3 * elementWise + 2 * sums + again) + headProducts + headBytes + transfer;
        double bubble = (p - 1) / v * microBatch;
        double computed = m * microBatch + bubble;
        double parameters = model.Parameters / t / p;
        return new TimePlan
        {
            Products = m * (layers * 3 * products + headProducts),
            ElementWise = m * (layers * 3 * elementWise + headBytes),
            TensorCommunication = m * layers * 2 * sums,
            Recomputation = m * layers * again,
            PipelineCommunication = m * transfer,
            Bubble = bubble,
            DataCommunication = DataCommunication(request, parameters, computed),
            Optimizer = Optimizer(request, parameters, memory),
        };
    }

    /// <summary>
    /// Bytes that a forward pass over a layer reads and writes in element-wise kernels, for one micro-batch on one GPU.
    /// </summary>
    private static double ElementBytes(PlanRequest request)
    {
        (TransformerModel model, ParallelSplit split) = (request.Model, request.Split);
        double sbh = (double)model.Context * split.MicroBatch * model.Width;
        double activation = (model.GatedFeedForward ? 6.0 : 4.0) * model.FeedForward / model.Width;
        double inHalf =
            sbh
            * (
                OutsideTensorGroup / (split.SequenceParallel ? split.Tensor : 1)
                + (Transposes + activation) / split.Tensor
            );
        return inHalf * request.ElementBytes / 2 + ScoreBytes(request);
    }

    private static double ScoreBytes(PlanRequest request)
    {
        (TransformerModel model, ParallelSplit split) = (request.Model, request.Split);
        return split.FlashAttention
            ? 0
            : Scores
                * model.Heads
                * model.Context
                * (double)model.Context
                * split.MicroBatch
                / split.Tensor
                * request.ElementBytes
                / 2;
    }

    /// <summary>
    /// Bytes per second of a collective over the data-parallel group: those of the links if the group lies within a
    /// node, else those of the network of its members in a node.
    /// </summary>
    private static double DataBandwidth(PlanRequest request)
    {
        (Gpu gpu, ParallelSplit split) = (request.Gpu, request.Split);
        int membersOfNode = Math.Max(1, gpu.GpusPerNode / split.Tensor);
        return split.Data <= membersOfNode && split.Pipeline == 1
            ? gpu.LinkBandwidth * request.Constants.LinkEfficiency
            : gpu.NetworkBandwidth * request.Constants.NetworkEfficiency * membersOfNode;
    }

    private static double DataCommunication(PlanRequest request, double parameters, double computed)
    {
        (ParallelSplit split, MachineConstants c) = (request.Split, request.Constants);
        double share = 1 - 1.0 / split.Data;
        if (share == 0)
            return 0;
        double bytes = parameters * request.ElementBytes * share;
        if (split.ZeroStage == 3)
        {
            // Every micro-batch gathers parameters for its forward and its backward pass and scatters gradients (arXiv
            // 1910.02054, section 7).
            double withinNode = DataBandwidth(request);
            double rate =
                split.Gpus <= request.Gpu.GpusPerNode ? withinNode : request.Gpu.NetworkBandwidth * c.GatherEfficiency;
            double gathers = 3 * request.MicroBatches * bytes / rate;
            return Math.Max(computed, gathers) + (1 - c.Overlap) * Math.Min(computed, gathers) - computed;
        }

        // Sharded gradients are scattered for every micro-batch; whole ones are summed first.
        double reduced = (split.ZeroStage == 2 ? request.MicroBatches + 1 : 2) * bytes / DataBandwidth(request);
        return split.OverlapGradients ? (1 - c.Overlap) * reduced : reduced;
    }

    private static double Optimizer(PlanRequest request, double parameters, double memory)
    {
        ParallelSplit split = request.Split;
        double owned = parameters / (split.ZeroStage >= 1 ? split.Data : 1);
        // Offloaded parameters are fetched for each pass of each micro-batch.
        double fetched = split.OffloadParameters
            ? 2 * request.MicroBatches * owned * request.ElementBytes / request.Gpu.HostBandwidth
            : 0;
        if (!split.OffloadOptimizer)
            return owned * OptimizerBytes / memory;
        // Gradients go to the host and parameters come back.
        return fetched
            + owned * 2 * request.ElementBytes / request.Gpu.HostBandwidth
            + owned * OptimizerBytes / request.Constants.CpuOptimizerBandwidth;
    }
}
