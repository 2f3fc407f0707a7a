using System.Globalization;
using static NativeAmp.Planning.BinaryUnits;

namespace NativeAmp.Planning;

/// <summary>Proposals for a plan that does not fit. Each proposal is planned, so that its memory is known.</summary>
internal static class PlanAdvice
{
    public static IReadOnlyList<string> Of(TrainingPlan plan)
    {
        double has = plan.Request.Gpu.MemoryBytes;
        (string kind, double bytes) = plan.Memory.Kinds[0];
        List<string> lines =
        [
            string.Create(
                CultureInfo.InvariantCulture,
                $"It does not fit: {plan.Memory.Total / GiB:0.0} GiB are needed and {plan.Request.Gpu.Name} has "
                    + $"{has / GiB:0.0}. Most of it is {kind}, {bytes / GiB:0.0} GiB."
            ),
        ];
        var better = Proposals(plan.Request)
            .Select(p => (p.Text, Plan: TryPlan(p.Request)))
            .Where(p => p.Plan is not null)
            .Select(p => (p.Text, p.Plan!.Memory.Total))
            .Where(p => p.Total < plan.Memory.Total * 0.98)
            .OrderBy(p => p.Total)
            .Take(5);
        lines.AddRange(
            better.Select(p =>
                FormattableString.Invariant(
                    $"{p.Text} brings it to {p.Total / GiB:0.0} GiB{(p.Total <= has ? ", which fits" : "")}."
                )
            )
        );
        return lines;
    }

    private static IEnumerable<(string Text, PlanRequest Request)> Proposals(PlanRequest request)
    {
        ParallelSplit s = request.Split;
        if (s.Recompute == Recomputation.None)
            yield return ("--recompute selective", With(s with { Recompute = Recomputation.Selective }));
        if (s.Recompute != Recomputation.Full)
            yield return ("--recompute full", With(s with { Recompute = Recomputation.Full }));
        if (!s.FlashAttention)
            yield return ("--flash-attention", With(s with { FlashAttention = true }));
        if (!s.SequenceParallel && s.Tensor > 1)
            yield return ("--sequence-parallel", With(s with { SequenceParallel = true }));
        if (s.MicroBatch > 1)
            yield return ("--micro-batch 1", With(s with { MicroBatch = 1 }));
        for (int stage = s.ZeroStage + 1; stage <= 3 && s.Data > 1; stage++)
            yield return ($"--zero {stage}", With(s with { ZeroStage = stage }));
        if (s.Tensor < request.Gpu.GpusPerNode)
            yield return (
                $"--tensor {request.Gpu.GpusPerNode} (on more GPUs)",
                With(s with { Tensor = request.Gpu.GpusPerNode })
            );
        if (request.Model.Layers % (s.Pipeline * 2) == 0)
            yield return ($"--pipeline {s.Pipeline * 2} (on more GPUs)", With(s with { Pipeline = s.Pipeline * 2 }));
        if (!s.OffloadOptimizer)
            yield return ("--offload optimizer", With(s with { OffloadOptimizer = true }));
        if (s.Data > 1)
            yield return ("--zero 3 --recompute full", With(s with { ZeroStage = 3, Recompute = Recomputation.Full }));

        PlanRequest With(ParallelSplit split) => request with { Split = split };
    }

    private static TrainingPlan? TryPlan(PlanRequest request)
    {
        try
        {
            return Planner.Plan(request);
        }
        catch (PlanException)
        {
            return null; // it does not fit the rest of the request
        }
    }
}
