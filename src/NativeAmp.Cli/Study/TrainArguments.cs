using System.Globalization;

namespace NativeAmp.Cli.Study;

/// <summary>The command line of a run.</summary>
internal static class TrainArguments
{
    /// <summary>The file of its steps.</summary>
    public const string Metrics = "metrics.jsonl";

    /// <summary>The file of its telemetry.</summary>
    public const string Telemetry = "telemetry.jsonl";

    // Milliseconds. NVML's own values change about this often, and a run of a few seconds still gives a curve.
    private const string Interval = "200";

    /// <summary>The arguments after "nativeamp".</summary>
    /// <param name="settings">The study.</param>
    /// <param name="run">The run.</param>
    /// <param name="options">The options that it has in common with others.</param>
    /// <param name="place">Its folder.</param>
    public static IReadOnlyList<string> Of(
        StudySettings settings,
        PlannedRun run,
        IReadOnlyDictionary<string, string> options,
        string place
    )
    {
        List<string> arguments =
        [
            "train",
            "--model",
            settings.Model,
            "--precision",
            run.Configuration.Precision,
            "--batch",
            Text(run.Configuration.Batch),
            "--seed",
            run.Seed.ToString(CultureInfo.InvariantCulture),
            "--sample",
            "0",
            "--json",
            "--metrics",
            Path.Combine(place, Metrics),
        ];
        foreach ((string name, string value) in options)
            arguments.AddRange([name, value]);
        if (run.Kind == RunKind.Measured)
            arguments.AddRange(["--telemetry", Path.Combine(place, Telemetry), "--telemetry-interval", Interval]);
        if (run.Kind == RunKind.Profile)
            arguments.Add("--profile");
        return arguments;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
