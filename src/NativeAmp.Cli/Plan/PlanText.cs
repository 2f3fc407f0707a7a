using NativeAmp.Cli.Output;
using NativeAmp.Planning;

namespace NativeAmp.Cli.Plan;

/// <summary>Writes a plan as text.</summary>
internal static class PlanText
{
    public static void Write(TrainingPlan plan, bool explain, Terminal terminal)
    {
        PlanRequest request = plan.Request;
        terminal.Output.WriteLine(
            $"{request.Model.Name}: {PlanUnits.Count(request.Model.Parameters)} parameters, "
                + $"{PlanUnits.Count(request.TotalTokens)} tokens, in "
                + $"{request.Precision.ToString().ToLowerInvariant()} "
                + $"with {PlanUnits.Digits(request.Layout.Total)} bytes per parameter ({request.Layout.Name}'s layout)"
        );
        terminal.Output.WriteLine($"{request.Split.Gpus} × {request.Gpu.Name}: {Split(request)}");
        terminal.Output.WriteLine();
        if (explain)
            Explain(plan, terminal);
        else
            Summarize(plan, terminal);
        foreach (string line in plan.Advice)
            terminal.Output.WriteLine(line);
        if (plan.Fits)
            Compare(plan, terminal);
    }

    private static string Split(PlanRequest request)
    {
        ParallelSplit s = request.Split;
        List<string> parts =
        [
            $"tensor {s.Tensor}",
            $"pipeline {s.Pipeline}",
            $"data {s.Data}",
            $"micro-batch {s.MicroBatch}",
            $"batch {request.Batch}",
        ];
        if (s.Interleave > 1)
            parts.Add($"interleave {s.Interleave}");
        if (s.ZeroStage > 0)
            parts.Add($"ZeRO-{s.ZeroStage}");
        if (s.SequenceParallel)
            parts.Add("sequence parallel");
        parts.Add(
            s.Recompute == Recomputation.None
                ? "no recomputation"
                : $"{s.Recompute.ToString().ToLowerInvariant()} recomputation"
        );
        parts.Add(s.FlashAttention ? "flash attention" : "standard attention");
        if (s.OffloadOptimizer)
            parts.Add(s.OffloadParameters ? "all offloaded" : "optimizer offloaded");
        return string.Join(", ", parts);
    }

    private static void Summarize(TrainingPlan plan, Terminal terminal)
    {
        double has = plan.Request.Gpu.MemoryBytes;
        List<IReadOnlyList<string>> memory =
        [
            .. plan
                .Memory.Kinds.Where(kind => kind.Bytes > 0)
                .Select(kind =>
                    (IReadOnlyList<string>)[kind.Name, PlanUnits.GiB(kind.Bytes), Percentage.Of(kind.Bytes / has)]
                ),
            ["total", PlanUnits.GiB(plan.Memory.Total), Percentage.Of(plan.Memory.Total / has)],
        ];
        if (plan.Memory.Host > 0)
            memory.Add(["host's, for each GPU", PlanUnits.GiB(plan.Memory.Host), ""]);
        terminal.WriteTable(["memory of a GPU", "size", "of what it has"], memory);
        terminal.Output.WriteLine();
        terminal.WriteTable(
            ["time of a step", "time", "share"],
            [
                .. PlanFigures
                    .Of(plan)
                    .Where(figure => figure is { Unit: "s", Value: > 0 })
                    .Select(figure =>
                        (IReadOnlyList<string>)
                            [figure.Name, PlanUnits.Seconds(figure.Value), Percentage.Of(figure.Value / plan.Time.Step)]
                    ),
            ]
        );
        terminal.Output.WriteLine();
        terminal.WriteTable(
            ["the whole training", ""],
            [
                ["steps", PlanUnits.Digits(plan.Flops.Steps)],
                ["FLOP by layer", PlanUnits.Power(plan.Flops.Total)],
                ["FLOP by 6 N D", PlanUnits.Power(plan.Flops.SixNd)],
                [
                    "speed of a GPU",
                    $"{PlanUnits.Digits(plan.HardwareFlopsPerGpu / 1e12)} TFLOP/s, MFU "
                        + $"{Percentage.Of(plan.ModelUtilization)}, "
                        + $"{PlanUnits.Digits(plan.TokensPerSecond / plan.Request.Split.Gpus)} tokens/s",
                ],
                ["time", $"{PlanUnits.Seconds(plan.Seconds)}, {PlanUnits.Digits(plan.GpuHours)} GPU hours"],
                ["energy", $"{PlanUnits.Digits(plan.MegawattHours)} MWh"],
            ]
        );
        terminal.Output.WriteLine();
    }

    private static void Explain(TrainingPlan plan, Terminal terminal)
    {
        foreach (PlanFigure figure in PlanFigures.Of(plan))
        {
            string value = figure.Unit switch
            {
                "bytes" => PlanUnits.GiB(figure.Value),
                "s" => PlanUnits.Seconds(figure.Value),
                "of peak" => Percentage.Of(figure.Value),
                "FLOP" => $"{PlanUnits.Power(figure.Value)} FLOP",
                _ => $"{PlanUnits.Digits(figure.Value)} {figure.Unit}",
            };
            terminal.Output.WriteLine($"{figure.Name}: {value}");
            terminal.Output.WriteLine(
                $"    = {figure.Formula}{(figure.Source.Length > 0 ? $"  [{figure.Source}]" : "")}"
            );
        }

        terminal.Output.WriteLine();
    }

    private static void Compare(TrainingPlan plan, Terminal terminal)
    {
        double nodes = plan.Flops.SixNd / plan.Flops.Total - 1;
        terminal.Output.WriteLine(
            $"6 N D is {Percentage.Of(Math.Abs(nodes))} {(nodes < 0 ? "below" : "above")} the FLOP by layer. "
                + "Ten times the parameters cost a hundred times the compute only if tokens grow tenfold too, else "
                + "ten times ('nativeamp plan --rules')."
        );
    }
}
