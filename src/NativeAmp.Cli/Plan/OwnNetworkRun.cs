using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Planning;

namespace NativeAmp.Cli.Plan;

/// <summary>nativeamp plan --model cnn|mlp|gpt: the memory of nativeamp train by kind.</summary>
internal static class OwnNetworkRun
{
    /// <summary>Names of the networks of nativeamp train.</summary>
    public static IReadOnlyList<string> Names { get; } = ["cnn", "mlp", "gpt"];

    public static int Run(
        string name,
        NetworkMemory memory,
        TrainingPrecision precision,
        int batch,
        Terminal terminal,
        bool json
    )
    {
        var report = new NetworkReport(
            name,
            precision.ToString().ToLowerInvariant(),
            batch,
            memory.Count,
            memory.Parameters,
            memory.ComputeCopies,
            memory.Gradients,
            memory.OptimizerState,
            memory.Activations,
            memory.Total
        );
        if (json)
        {
            terminal.Output.WriteLine(JsonSerializer.Serialize(report, PlanJson.Default.NetworkReport));
            return ExitCode.Success;
        }

        terminal.Output.WriteLine(
            $"nativeamp train --model {name}: {PlanUnits.Count(memory.Count)} parameters, in {report.Precision}, "
                + $"batches of {batch}"
        );
        terminal.WriteTable(
            ["memory of a step", "bytes", "MiB"],
            [
                Row("parameters", memory.Parameters),
                Row("compute copies", memory.ComputeCopies),
                Row("gradients", memory.Gradients),
                Row("optimizer state", memory.OptimizerState),
                Row("activations", memory.Activations),
                Row("together", memory.Total),
            ]
        );
        terminal.Output.WriteLine(
            "Workspace of the device's libraries and batches of data are added to this; 'nativeamp train --json' counts "
                + "them (\"memory\")."
        );
        return ExitCode.Success;

        static string[] Row(string kind, double bytes) =>
            [
                kind,
                bytes.ToString("#,0", System.Globalization.CultureInfo.InvariantCulture),
                PlanUnits.Digits(bytes / BinaryUnits.MiB),
            ];
    }
}

/// <summary>The output of --json for one of these networks, in bytes.</summary>
internal sealed record NetworkReport(
    string Model,
    string Precision,
    int Batch,
    double ParameterCount,
    double Parameters,
    double ComputeCopies,
    double Gradients,
    double OptimizerState,
    double Activations,
    double Total
);
