using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Planning;
using NativeAmp.Reports;

namespace NativeAmp.Cli.Plan;

/// <summary>nativeamp plan --sweep: a table, charts as SVG and PNG, and one page with all of them.</summary>
internal static class SweepRun
{
    private static readonly string[] Columns =
    [
        "parameters",
        "layers",
        "width",
        "flop_fixed_data",
        "flop_20_tokens_a_parameter",
        "state_bytes",
        "gpus_for_state",
        "days_fixed_data",
        "days_20_tokens_a_parameter",
    ];

    public static int Run(
        PlanRequest request,
        SweepRange range,
        int gpus,
        double tokens,
        string folder,
        Terminal terminal,
        bool json
    )
    {
        IReadOnlyList<SweepPoint> points = ScalingSweep.Of(request, range.Least, range.Most, gpus, tokens);
        string data = $"{PlanUnits.Count(tokens)} tokens",
            grown = "20 tokens per parameter";
        Chart[] charts =
        [
            Compute(points, data, grown),
            Memory(points, request),
            Days(points, request.Gpu, gpus, data, grown),
        ];
        foreach ((Chart chart, string name) in charts.Zip(["compute", "memory", "days"]))
            chart.Save(folder, name);
        File.WriteAllLines(
            Path.Combine(folder, "sweep.csv"),
            [string.Join(',', Columns), .. points.Select(point => string.Join(',', Figures(point).Select(Plain)))]
        );
        string page = Path.Combine(folder, "index.html");
        Page(points, request, gpus, data, grown, charts).Save(page);
        if (json)
        {
            terminal.Output.WriteLine(
                JsonSerializer.Serialize(
                    points
                        .Select(point => Columns.Zip(Figures(point)).ToDictionary(c => c.First, c => c.Second))
                        .ToArray(),
                    PlanJson.Default.DictionaryStringNullableDoubleArray
                )
            );
            return ExitCode.Success;
        }

        terminal.WriteTable(Headings(data, grown), [.. points.Select(Row)]);
        terminal.Output.WriteLine(
            $"Days are of the best split on {gpus} {request.Gpu.Name}, if one fits. Charts, table and page: {page}"
        );
        return ExitCode.Success;
    }

    private static Chart Compute(IReadOnlyList<SweepPoint> points, string data, string grown)
    {
        double[] parameters = Parameters(points);
        return new Chart("Compute of the whole training", "parameters", "FLOP")
            .LogarithmicX()
            .LogarithmicY()
            .Line(grown, parameters, [.. points.Select(p => p.FlopGrowingData)], 0, markers: true)
            .Line(data, parameters, [.. points.Select(p => p.FlopFixedData)], 1, markers: true);
    }

    private static Chart Memory(IReadOnlyList<SweepPoint> points, PlanRequest request)
    {
        double[] parameters = Parameters(points);
        Chart chart = new Chart("Weights, gradients and optimizer state", "parameters", "GiB")
            .LogarithmicX()
            .LogarithmicY();
        (string Name, StateLayout Layout)[] layouts =
        [
            ("FP32, or NativeAmp's mixed", StateLayout.Of("nativeamp", request.Precision)),
            ("Megatron's mixed", StateLayout.Of("megatron", TrainingPrecision.Bf16)),
            ("NativeAmp's, 8-bit moments", StateLayout.Of("nativeamp", TrainingPrecision.Bf16, "adamw-8bit")),
        ];
        foreach (((string name, StateLayout layout), int i) in layouts.Select((l, i) => (l, i)))
            chart.Line(
                $"{name}: {PlanUnits.Digits(layout.Total)} bytes",
                parameters,
                [.. points.Select(p => p.Model.Parameters * layout.Total / BinaryUnits.GiB)],
                i,
                markers: true
            );
        return chart
            .Limit(request.Gpu.MemoryBytes / BinaryUnits.GiB, $"one {request.Gpu.Name}")
            .Limit(
                request.Gpu.MemoryBytes * request.Gpu.GpusPerNode / BinaryUnits.GiB,
                $"a node of {request.Gpu.GpusPerNode}"
            );
    }

    private static Chart Days(IReadOnlyList<SweepPoint> points, Gpu gpu, int gpus, string data, string grown)
    {
        double[] parameters = Parameters(points);
        return new Chart($"Days on {gpus} {gpu.Name}", "parameters", "days")
            .LogarithmicX()
            .LogarithmicY()
            .Line(grown, parameters, [.. points.Select(p => p.GrowingData?.Days ?? double.NaN)], 0, markers: true)
            .Line(data, parameters, [.. points.Select(p => p.FixedData?.Days ?? double.NaN)], 1, markers: true);
    }

    private static HtmlPage Page(
        IReadOnlyList<SweepPoint> points,
        PlanRequest request,
        int gpus,
        string data,
        string grown,
        Chart[] charts
    )
    {
        (SweepPoint first, SweepPoint last) = (points[0], points[^1]);
        double factor = last.Model.Parameters / first.Model.Parameters;
        return new HtmlPage("Parameters against compute, memory and days")
            .Lead(
                $"{PlanUnits.Digits(factor)} times the parameters take "
                    + $"{PlanUnits.Digits(last.FlopFixedData / first.FlopFixedData)} times the compute on the same "
                    + $"{data}, "
                    + $"and {PlanUnits.Digits(last.FlopGrowingData / first.FlopGrowingData)} times where the data "
                    + "grows as they do.",
                $"Their state is {PlanUnits.GiB(first.StateBytes)} to {PlanUnits.GiB(last.StateBytes)}: {first.Gpus} "
                    + $"to {last.Gpus} {request.Gpu.Name} just hold it."
            )
            .Figures(charts)
            .Table("Models of GPT-3's proportions", Headings(data, grown), points.Select(Row))
            .Note(
                $"Computed, not measured, by nativeamp plan: {request.Precision.ToString().ToLowerInvariant()}, "
                    + $"batches of {request.Batch}, {request.Layout.Name}'s layout with "
                    + $"{PlanUnits.Digits(request.Layout.Total)} bytes per parameter. Days are of the best split on "
                    + $"{gpus} GPUs; where none fits there is none. docs/planning.md has the formulas and how far "
                    + "they are from published runs."
            );
    }

    private static string[] Headings(string data, string grown) =>
        [
            "parameters",
            "layers",
            "width",
            $"FLOP, {data}",
            $"FLOP, {grown}",
            "state",
            "GPUs for it",
            $"days, {data}",
            $"days, {grown}",
        ];

    private static string[] Row(SweepPoint point) =>
        [
            PlanUnits.Count(point.Model.Parameters),
            PlanUnits.Whole(point.Model.Layers),
            PlanUnits.Whole(point.Model.Width),
            PlanUnits.Power(point.FlopFixedData),
            PlanUnits.Power(point.FlopGrowingData),
            PlanUnits.GiB(point.StateBytes),
            PlanUnits.Whole(point.Gpus),
            point.FixedData is { } a ? PlanUnits.Digits(a.Days) : "none",
            point.GrowingData is { } b ? PlanUnits.Digits(b.Days) : "none",
        ];

    private static double?[] Figures(SweepPoint point) =>
        [
            point.Model.Parameters,
            point.Model.Layers,
            point.Model.Width,
            point.FlopFixedData,
            point.FlopGrowingData,
            point.StateBytes,
            point.Gpus,
            point.FixedData?.Days,
            point.GrowingData?.Days,
        ];

    private static string Plain(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "";

    private static double[] Parameters(IReadOnlyList<SweepPoint> points) => [.. points.Select(p => p.Model.Parameters)];
}
