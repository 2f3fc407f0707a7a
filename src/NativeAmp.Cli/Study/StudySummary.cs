using System.Text.Json.Serialization;
using NativeAmp.Cli.Train;

namespace NativeAmp.Cli.Study;

/// <summary>The output of nativeamp study --json.</summary>
internal sealed record StudySummary
{
    [JsonPropertyName("study")]
    public required string Study { get; init; }

    [JsonPropertyName("report")]
    public required string? Report { get; init; }

    [JsonPropertyName("interrupted")]
    public required bool Interrupted { get; init; }

    [JsonPropertyName("runs_left")]
    public required int RunsLeft { get; init; }

    [JsonPropertyName("decision")]
    public required IReadOnlyList<string> Decision { get; init; }

    [JsonPropertyName("largest_batch")]
    public required IReadOnlyDictionary<string, int> LargestBatch { get; init; }

    [JsonPropertyName("configurations")]
    public required IReadOnlyList<ConfigurationLine> Configurations { get; init; }

    /// <summary>Makes a summary of the measurements.</summary>
    public static StudySummary Of(StudyFigures figures, string? report, bool interrupted) =>
        new()
        {
            Study = figures.Folder,
            Report = report,
            Interrupted = interrupted,
            RunsLeft = figures.Missing,
            Decision = Decisions.Sentences(figures),
            LargestBatch = figures.Limits.ToDictionary(limit => limit.Precision, limit => limit.Largest),
            Configurations = [.. figures.Configurations.Select(ConfigurationLine.Of)],
        };
}

/// <summary>A configuration in a summary.</summary>
internal sealed record ConfigurationLine
{
    [JsonPropertyName("precision")]
    public required string Precision { get; init; }

    [JsonPropertyName("batch")]
    public required int Batch { get; init; }

    [JsonPropertyName("done")]
    public required int Done { get; init; }

    [JsonPropertyName("failures")]
    public required IReadOnlyList<string> Failures { get; init; }

    [JsonPropertyName("out_of_memory")]
    public required bool OutOfMemory { get; init; }

    [JsonPropertyName("samples_per_second")]
    public required EstimateLine SamplesPerSecond { get; init; }

    [JsonPropertyName("peak_bytes")]
    public required EstimateLine PeakBytes { get; init; }

    [JsonPropertyName("joules_per_sample")]
    public required EstimateLine JoulesPerSample { get; init; }

    [JsonPropertyName("final_loss")]
    public required EstimateLine FinalLoss { get; init; }

    [JsonPropertyName("test_accuracy")]
    public required EstimateLine TestAccuracy { get; init; }

    [JsonPropertyName("seconds_to_accuracy")]
    public required EstimateLine SecondsToAccuracy { get; init; }

    [JsonPropertyName("joules_to_accuracy")]
    public required EstimateLine JoulesToAccuracy { get; init; }

    public static ConfigurationLine Of(ConfigurationFigures figures) =>
        new()
        {
            Precision = figures.Configuration.Precision,
            Batch = figures.Configuration.Batch,
            Done = figures.Done.Count,
            Failures = figures.Failures,
            OutOfMemory = figures.IsOutOfMemory,
            SamplesPerSecond = EstimateLine.Of(figures.Of(run => run.SamplesPerSecond), positive: true),
            PeakBytes = EstimateLine.Of(figures.Of(run => run.PeakBytes), positive: true),
            JoulesPerSample = EstimateLine.Of(figures.Of(run => run.JoulesPerSample), positive: true),
            FinalLoss = EstimateLine.Of(figures.Of(run => run.FinalLoss)),
            TestAccuracy = EstimateLine.Of(figures.Of(run => run.TestAccuracy)),
            SecondsToAccuracy = EstimateLine.Of(figures.Of(run => run.SecondsToAccuracy), positive: true),
            JoulesToAccuracy = EstimateLine.Of(figures.Of(run => run.JoulesToAccuracy), positive: true),
        };
}

/// <summary>
/// Median and mean of repeats, with the mean's 95 % interval by Student's t; null if there are too few.
/// </summary>
internal sealed record EstimateLine(
    [property: JsonPropertyName("median")] double? Median,
    [property: JsonPropertyName("mean")] double? Mean,
    [property: JsonPropertyName("low")] double? Low,
    [property: JsonPropertyName("high")] double? High
)
{
    /// <param name="values">The values of the repeats.</param>
    /// <param name="positive">Whether they are above 0 and compared by ratios. The mean is then the geometric
    /// one.</param>
    public static EstimateLine Of(double[] values, bool positive = false)
    {
        Estimate mean = positive ? Statistics.GeometricMean(values) : Statistics.Mean(values);
        return new EstimateLine(
            MetricsWriter.Finite(Statistics.Median(values)),
            MetricsWriter.Finite(mean.Value),
            MetricsWriter.Finite(mean.Low),
            MetricsWriter.Finite(mean.High)
        );
    }
}
