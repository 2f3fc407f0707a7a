using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using NativeAmp.Cli.Train;

namespace NativeAmp.Cli.Study;

/// <summary>
/// A measured run as one line of study.csv and study.jsonl. A value that was not measured is empty, or null.
/// </summary>
internal sealed record RunLine
{
    [JsonPropertyName("name")]
    public required string Name { get; init; }

    [JsonPropertyName("model")]
    public required string Model { get; init; }

    [JsonPropertyName("precision")]
    public required string Precision { get; init; }

    [JsonPropertyName("batch")]
    public required int Batch { get; init; }

    [JsonPropertyName("repeat")]
    public required int Repeat { get; init; }

    [JsonPropertyName("seed")]
    public required ulong Seed { get; init; }

    [JsonPropertyName("order")]
    public required int Order { get; init; }

    [JsonPropertyName("outcome")]
    public required string Outcome { get; init; }

    [JsonPropertyName("reason")]
    public string? Reason { get; init; }

    [JsonPropertyName("device")]
    public string? Device { get; init; }

    [JsonPropertyName("steps")]
    public int Steps { get; init; }

    [JsonPropertyName("samples_per_second")]
    public double? SamplesPerSecond { get; init; }

    [JsonPropertyName("median_step_ms")]
    public double? StepMilliseconds { get; init; }

    [JsonPropertyName("training_seconds")]
    public double? TrainingSeconds { get; init; }

    [JsonPropertyName("peak_bytes")]
    public double? PeakBytes { get; init; }

    [JsonPropertyName("joules_per_sample")]
    public double? JoulesPerSample { get; init; }

    [JsonPropertyName("final_loss")]
    public double? FinalLoss { get; init; }

    [JsonPropertyName("test_accuracy")]
    public double? TestAccuracy { get; init; }

    [JsonPropertyName("reached_accuracy")]
    public bool? ReachedAccuracy { get; init; }

    [JsonPropertyName("seconds_to_accuracy")]
    public double? SecondsToAccuracy { get; init; }

    [JsonPropertyName("joules_to_accuracy")]
    public double? JoulesToAccuracy { get; init; }

    [JsonPropertyName("skipped")]
    public double? Skipped { get; init; }

    [JsonPropertyName("final_scale")]
    public double? FinalScale { get; init; }

    [JsonPropertyName("seconds")]
    public double Seconds { get; init; }

    [JsonPropertyName("start_temperature")]
    public double? StartTemperature { get; init; }

    /// <summary>The line of a run.</summary>
    public static RunLine Of(StudySettings settings, RunFigures run) =>
        new()
        {
            Name = run.Run.Name,
            Model = settings.Model,
            Precision = run.Run.Configuration.Precision,
            Batch = run.Run.Configuration.Batch,
            Repeat = run.Run.Repeat,
            Seed = run.Run.Seed,
            Order = run.Result.Order,
            Outcome = JsonNamingPolicy.SnakeCaseLower.ConvertName(run.Result.Outcome.ToString()),
            Reason = run.Result.Reason,
            Device = run.Text("device") is { Length: > 0 } device ? device : null,
            Steps = run.Steps.Count,
            SamplesPerSecond = MetricsWriter.Finite(run.SamplesPerSecond),
            StepMilliseconds = MetricsWriter.Finite(run.StepMilliseconds),
            TrainingSeconds = MetricsWriter.Finite(run.TrainingSeconds),
            PeakBytes = MetricsWriter.Finite(run.PeakBytes),
            JoulesPerSample = MetricsWriter.Finite(run.JoulesPerSample),
            FinalLoss = MetricsWriter.Finite(run.FinalLoss),
            TestAccuracy = MetricsWriter.Finite(run.TestAccuracy),
            ReachedAccuracy = run.ReachedAccuracy,
            SecondsToAccuracy = MetricsWriter.Finite(run.SecondsToAccuracy),
            JoulesToAccuracy = MetricsWriter.Finite(run.JoulesToAccuracy),
            Skipped = MetricsWriter.Finite(run.Skipped),
            FinalScale = MetricsWriter.Finite(run.Number("final_scale")),
            Seconds = run.Result.Seconds,
            StartTemperature = run.Result.StartTemperature,
        };
}

/// <summary>Writes the lines of a study.</summary>
internal static class RunLines
{
    /// <summary>JSON lines: one object per line.</summary>
    public static string Jsonl(IEnumerable<RunLine> lines) =>
        string.Concat(lines.Select(line => JsonSerializer.Serialize(line, StudyJson.Default.RunLine) + "\n"));

    /// <summary>CSV as in RFC 4180, with a header; but lines end with a line feed only.</summary>
    public static string Csv(IEnumerable<RunLine> lines)
    {
        var csv = new StringBuilder();
        string[] names = [.. StudyJson.Default.RunLine.Properties.Select(property => property.Name)];
        csv.AppendJoin(',', names).Append('\n');
        foreach (RunLine line in lines)
            csv.AppendJoin(',', StudyJson.Default.RunLine.Properties.Select(property => Cell(property.Get!(line))))
                .Append('\n');
        return csv.ToString();
    }

    private static string Cell(object? value)
    {
        string text = value is bool truth
            ? truth
                ? "true"
                : "false"
            : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        return text.AsSpan().IndexOfAny(",\"\r\n") < 0
            ? text
            : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}
