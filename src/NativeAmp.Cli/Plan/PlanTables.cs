using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Planning;

namespace NativeAmp.Cli.Plan;

/// <summary>Tables of published runs, rules of thumb, and known models and GPUs.</summary>
internal static class PlanTables
{
    private const double RulesParameters = 100e9;

    public static int Validate(Terminal terminal, bool json)
    {
        MachineConstants standard = MachineConstants.Standard,
            fitted = Calibration.Fit(standard);
        IReadOnlyList<ValidationRow> rows = Validation.Rows();
        var table = new ValidationTable(
            standard.ProductEfficiency,
            standard.GatherEfficiency,
            fitted.ProductEfficiency,
            fitted.GatherEfficiency,
            rows.Count(r => r.Met),
            rows.Count(r => !r.Met),
            [.. rows.Select(Report)]
        );
        if (json)
        {
            terminal.Output.WriteLine(JsonSerializer.Serialize(table, PlanJson.Default.ValidationTable));
            return ExitCode.Success;
        }

        terminal.WriteTable(
            ["run", "quantity", "role", "published", "planned", "error", "within", ""],
            [
                .. rows.Select(r =>
                    (IReadOnlyList<string>)
                        [
                            r.Run.Id,
                            Unit(r.Run.Quantity),
                            r.Role,
                            PlanUnits.Digits(r.Run.Value),
                            PlanUnits.Digits(r.Planned),
                            Signed(r.Error),
                            $"{r.Limit * 100:0} %",
                            r.Met ? "yes" : "NO",
                        ]
                ),
            ]
        );
        terminal.Output.WriteLine();
        terminal.Output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{table.Met} of {rows.Count} rows are within their limit. Of the times "
                    + $"{rows.Count(r => r.Role == "fit")} were fitted over and {rows.Count(r => r.Role == "test")} "
                    + $"only tested; "
            )
        );
        terminal.Output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"their mean absolute error is {Mean("fit"):0.0} % and {Mean("test"):0.0} %. The error of a time is "
                    + $"that of a step's seconds."
            )
        );
        terminal.Output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"Fitted now: products reach {fitted.ProductEfficiency:0.000} of the peak, ZeRO-3's gathers "
                    + $"{fitted.GatherEfficiency:0.000} of the network; in use: {standard.ProductEfficiency:0.00} and "
                    + $"{standard.GatherEfficiency:0.00}."
            )
        );
        foreach (string note in rows.Where(r => r.Run.Note.Length > 0).Select(r => r.Run.Note).Distinct())
            terminal.Output.WriteLine(
                $"Note: {note} ({string.Join(", ", rows.Where(r => r.Run.Note == note).Select(r => r.Run.Id))})."
            );
        foreach (string source in rows.Select(r => r.Run.Source).Distinct())
            terminal.Output.WriteLine($"Source: {source}.");
        return ExitCode.Success;

        double Mean(string role) => 100 * rows.Where(r => r.Role == role).Average(r => Math.Abs(r.Error));
    }

    public static int Rules(Gpu gpu, Terminal terminal, bool json)
    {
        ComputeGrowth[] growth =
        [
            RulesOfThumb.Growth(1e9, 10),
            RulesOfThumb.Growth(1e10, 10),
            RulesOfThumb.Growth(1e11, 10),
        ];
        IReadOnlyList<StateCount> states = RulesOfThumb.GpusForState(RulesParameters, gpu);
        if (json)
        {
            terminal.Output.WriteLine(
                JsonSerializer.Serialize(
                    new RulesReport(growth, RulesParameters, gpu.Name, states),
                    PlanJson.Default.RulesReport
                )
            );
            return ExitCode.Success;
        }

        terminal.Output.WriteLine(
            "\"Ten times the parameters need a hundred times the compute\": only if the data grows tenfold too. By "
                + "layer, for GPT-3's proportions:"
        );
        terminal.WriteTable(
            ["parameters", "compute, same tokens", "compute, 20 tokens per parameter"],
            [
                .. growth.Select(g =>
                    (IReadOnlyList<string>)
                        [
                            $"× {PlanUnits.Digits(g.Factor)}",
                            $"× {PlanUnits.Digits(g.SameData)}",
                            $"× {PlanUnits.Digits(g.GrowingData)}",
                        ]
                ),
            ]
        );
        terminal.Output.WriteLine();
        terminal.Output.WriteLine(
            $"State of {PlanUnits.Count(RulesParameters)} parameters with Adam, without activations, and the number of "
                + $"{gpu.Name} that holds it:"
        );
        terminal.WriteTable(
            ["state", "bytes per parameter", "in all", "GPUs"],
            [
                .. states.Select(s =>
                    (IReadOnlyList<string>)
                        [
                            s.Name,
                            PlanUnits.Digits(s.BytesPerParameter),
                            PlanUnits.GiB(s.BytesPerParameter * RulesParameters),
                            s.Gpus.ToString(CultureInfo.InvariantCulture),
                        ]
                ),
            ]
        );
        terminal.Output.WriteLine();
        terminal.Output.WriteLine(
            "Mixed precision with Adam needs no less state than float32: masters stay. It saves activations and time. "
                + "Half-precision gradients and smaller moments save bytes of state."
        );
        return ExitCode.Success;
    }

    public static int List(PlanCatalog catalog, Terminal terminal, bool json)
    {
        if (json)
        {
            var report = new CatalogReport(
                [
                    .. catalog.Models.Select(m => new ModelEntry(
                        m.Name,
                        m.Parameters,
                        m.Layers,
                        m.Width,
                        m.Heads,
                        m.Vocabulary,
                        m.Context,
                        m.Tokens,
                        m.Source
                    )),
                ],
                [
                    .. catalog.Gpus.Select(g => new GpuEntry(
                        g.Name,
                        g.Description,
                        g.MemoryBytes,
                        g.PeakFlops.ToDictionary(p => p.Key.ToString().ToLowerInvariant(), p => p.Value / 1e12),
                        g.MemoryBandwidth / 1e9,
                        g.Watts,
                        g.Source
                    )),
                ]
            );
            terminal.Output.WriteLine(JsonSerializer.Serialize(report, PlanJson.Default.CatalogReport));
            return ExitCode.Success;
        }

        terminal.WriteTable(
            ["model", "parameters", "layers", "width", "heads", "tokens", "source"],
            [
                .. catalog.Models.Select(m =>
                    (IReadOnlyList<string>)
                        [
                            m.Name,
                            PlanUnits.Count(m.Parameters),
                            Text(m.Layers),
                            Text(m.Width),
                            Text(m.Heads),
                            m.Tokens is { } t ? PlanUnits.Count(t) : "",
                            m.Source,
                        ]
                ),
            ]
        );
        terminal.Output.WriteLine();
        terminal.WriteTable(
            ["GPU", "memory", "GB/s", "TFLOP/s", "link GB/s", "network GB/s", "W", "what"],
            [
                .. catalog.Gpus.Select(g =>
                    (IReadOnlyList<string>)
                        [
                            g.Name,
                            PlanUnits.GiB(g.MemoryBytes),
                            PlanUnits.Digits(g.MemoryBandwidth / 1e9),
                            string.Join(
                                ", ",
                                g.PeakFlops.Select(p =>
                                    $"{p.Key.ToString().ToLowerInvariant()} {PlanUnits.Digits(p.Value / 1e12)}"
                                )
                            ),
                            PlanUnits.Digits(g.LinkBandwidth / 1e9),
                            PlanUnits.Digits(g.NetworkBandwidth / 1e9),
                            PlanUnits.Digits(g.Watts),
                            g.Description,
                        ]
                ),
            ]
        );
        return ExitCode.Success;

        static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
    }

    private static ValidationReport Report(ValidationRow row) =>
        new(
            row.Run.Id,
            Unit(row.Run.Quantity),
            row.Role,
            row.Run.Value,
            row.Planned,
            row.Error,
            row.Limit,
            row.Met,
            row.Run.Source,
            row.Run.Note
        );

    private static string Signed(double error) =>
        (error * 100).ToString("+0.0;-0.0;0.0", CultureInfo.InvariantCulture) + " %";

    private static string Unit(PublishedQuantity quantity) =>
        quantity switch
        {
            PublishedQuantity.Seconds => "s a step",
            PublishedQuantity.Tflops => "TFLOP/s",
            PublishedQuantity.GpuHours => "GPU hours",
            PublishedQuantity.Days => "days",
            PublishedQuantity.TokensPerGpuSecond => "tokens/s",
            PublishedQuantity.LayerStateGib => "state, GiB",
            PublishedQuantity.ActivationsGib => "activations, GiB",
            PublishedQuantity.DeepSpeedStateGib => "state, GiB",
            PublishedQuantity.SixNd => "FLOP",
            PublishedQuantity.SixNdPetaflopDays => "PF-days",
            PublishedQuantity.EnergyOfHours => "MWh",
            _ => throw new InvalidOperationException($"{quantity} has no unit."),
        };
}
