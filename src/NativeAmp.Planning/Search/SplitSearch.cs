namespace NativeAmp.Planning;

/// <summary>
/// Searches for the best split: tensor × pipeline × data, interleaving, ZeRO, recomputation, micro-batch.
/// </summary>
public static class SplitSearch
{
    private const int MostMicroBatch = 16;

    /// <summary>The fastest split that fits on a number of GPUs.</summary>
    /// <param name="request">
    /// The training to plan. Of its split the search keeps <see cref="ParallelSplit.FlashAttention"/>,
    /// <see cref="ParallelSplit.OverlapGradients"/> and offloading, and chooses the rest.
    /// </param>
    /// <param name="gpus">The number of GPUs.</param>
    /// <returns>The fastest plan; among equals the one with the least memory. Null if none fits.</returns>
    public static TrainingPlan? Best(PlanRequest request, int gpus)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(gpus);
        PlanRequest full = request with { Model = request.Model.Checked() };
        TrainingPlan? best = null;
        foreach (ParallelSplit split in Splits(full, gpus))
        {
            PlanRequest candidate = full with { Split = split };
            // The time is cheap and decides most cases: compute memory only if the time would win.
            double seconds = TimeModel.Of(candidate).Step;
            if (
                best is not null
                && (
                    seconds > best.Time.Step
                    || (seconds == best.Time.Step && MemoryModel.Of(candidate).Total >= best.Memory.Total)
                )
            )
                continue;
            if (MemoryModel.Of(candidate).Total <= full.Gpu.MemoryBytes)
                best = Planner.Plan(candidate);
        }

        return best;
    }

    /// <summary>The smallest number of GPUs that trains a model in a given time, and the best split on them.</summary>
    /// <param name="request">As for <see cref="Best"/>.</param>
    /// <param name="days">The longest time in days; infinity for any.</param>
    /// <param name="mostGpus">The largest number of GPUs to try.</param>
    /// <returns>The plan; null if no number of GPUs is enough.</returns>
    public static TrainingPlan? Fit(PlanRequest request, double days, int mostGpus)
    {
        ArgumentNullException.ThrowIfNull(request);
        PlanRequest full = request with { Model = request.Model.Checked() };
        // No split is faster than its matrix products alone.
        double secondsOfOne =
            FlopPlan.Of(full).Total / (full.Gpu.Peak(full.Precision) * full.Constants.ProductEfficiency);
        foreach (int gpus in Counts(full, mostGpus))
        {
            if (secondsOfOne / gpus / 86400 <= days && Best(full, gpus) is { } plan && plan.Days <= days)
                return plan;
        }

        return null;
    }

    /// <summary>Every number of GPUs that a split may use: a part of a node, or whole nodes.</summary>
    private static IEnumerable<int> Counts(PlanRequest request, int most)
    {
        int node = request.Gpu.GpusPerNode;
        IEnumerable<long> counts =
            from tensor in Tensors(request, most)
            from pipeline in Divisors(request.Model.Layers)
            from data in Divisors(request.Batch)
            select (long)tensor * pipeline * data;
        return counts
            .Where(count => count <= most && (count % node == 0 || node % count == 0))
            .Select(count => (int)count)
            .Distinct()
            .Order();
    }

    private static IEnumerable<int> Tensors(PlanRequest request, int most)
    {
        for (int tensor = 1; tensor <= Math.Min(most, request.Gpu.GpusPerNode); tensor *= 2)
        {
            if (request.Model.Heads % tensor == 0)
                yield return tensor;
        }
    }

    private static IEnumerable<ParallelSplit> Splits(PlanRequest request, int gpus)
    {
        (TransformerModel model, ParallelSplit given) = (request.Model, request.Split);
        foreach (int tensor in Tensors(request, gpus).Where(t => gpus % t == 0))
        {
            foreach (int pipeline in Divisors(model.Layers).Where(p => gpus / tensor % p == 0))
            {
                int data = gpus / tensor / pipeline;
                foreach (int micro in MicroBatches(request.Batch, data))
                {
                    foreach (
                        ParallelSplit split in Variants(
                            request,
                            given with
                            {
                                Tensor = tensor,
                                Pipeline = pipeline,
                                Data = data,
                                MicroBatch = micro,
                            }
                        )
                    )
                        yield return split;
                }
            }
        }
    }

    private static IEnumerable<ParallelSplit> Variants(PlanRequest request, ParallelSplit split)
    {
        int[] stages =
            split.Data == 1 ? [0]
            : split.Pipeline > 1 ? [0, 1]
            : [0, 1, 2, 3];
        int microBatches = request.Batch / split.Data / split.MicroBatch;
        int[] interleaves =
            split.Pipeline == 1 || microBatches % split.Pipeline != 0
                ? [1]
                : [.. Divisors(request.Model.Layers / split.Pipeline).Where(v => v <= 4)];
        foreach (int stage in stages)
        {
            if (split.OffloadParameters && stage != 3)
                continue;
            foreach (int interleave in interleaves)
            {
                foreach (Recomputation recompute in Enum.GetValues<Recomputation>())
                {
                    yield return split with
                    {
                        ZeroStage = stage,
                        Interleave = interleave,
                        Recompute = recompute,
                        SequenceParallel = split.Tensor > 1,
                        ScatterGather = true,
                    };
                }
            }
        }
    }

    private static IEnumerable<int> MicroBatches(int batch, int data)
    {
        for (int micro = 1; micro <= MostMicroBatch; micro *= 2)
        {
            if (batch % ((long)data * micro) == 0)
                yield return micro;
        }
    }

    private static List<int> Divisors(int number)
    {
        var divisors = new List<int>();
        for (int d = 1; (long)d * d <= number; d++)
        {
            if (number % d != 0)
                continue;
            divisors.Add(d);
            if (d != number / d)
                divisors.Add(number / d);
        }

        divisors.Sort();
        return divisors;
    }
}
