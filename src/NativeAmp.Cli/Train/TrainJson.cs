using System.Text.Json.Serialization;

namespace NativeAmp.Cli.Train;

/// <summary>One step of --metrics.</summary>
internal sealed record StepMetrics(
    [property: JsonPropertyName("step")] long Step,
    [property: JsonPropertyName("loss")] double? Loss,
    [property: JsonPropertyName("scale")] double? Scale,
    [property: JsonPropertyName("found_inf")] bool FoundInf,
    [property: JsonPropertyName("skipped")] bool Skipped,
    [property: JsonPropertyName("lr")] double LearningRate,
    [property: JsonPropertyName("grad_norm")] double? GradientNorm,
    [property: JsonPropertyName("step_ms")] double Milliseconds
);

/// <summary>The summary of a run: the last line of --metrics, and the output of --json.</summary>
internal sealed record TrainSummary
{
    [JsonPropertyName("summary")]
    public bool IsSummary { get; init; } = true;

    [JsonPropertyName("samples_per_second")]
    public required double? SamplesPerSecond { get; init; }

    [JsonPropertyName("median_step_ms")]
    public required double? MedianStepMilliseconds { get; init; }

    [JsonPropertyName("test_accuracy")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? TestAccuracy { get; init; }

    [JsonPropertyName("reached_accuracy")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? ReachedAccuracy { get; init; }

    [JsonPropertyName("final_loss")]
    public required double? FinalLoss { get; init; }

    [JsonPropertyName("skipped")]
    public required long Skipped { get; init; }

    [JsonPropertyName("final_scale")]
    public required double FinalScale { get; init; }

    /// <summary>Bytes of a step by kind, which add up to their peak; null if there was no step.</summary>
    [JsonPropertyName("memory")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public StepMemory? Memory { get; init; }

    /// <summary>
    /// Peaks of the whole run, tests and samples included. The kinds may have peaked at different times.
    /// </summary>
    [JsonPropertyName("peak_bytes")]
    public required IReadOnlyDictionary<string, long> PeakBytes { get; init; }

    /// <summary>
    /// Joules per sample in the steps after the first, by the device that computes; null if they could not be measured.
    /// </summary>
    [JsonPropertyName("joules_per_sample")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? JoulesPerSample { get; init; }

    /// <summary>Energy by source, or why there is none; null without --telemetry.</summary>
    [JsonPropertyName("energy")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<EnergyRow>? Energy { get; init; }

    [JsonPropertyName("precision")]
    public required string Precision { get; init; }

    [JsonPropertyName("device")]
    public required string Device { get; init; }

    [JsonPropertyName("device_name")]
    public required string DeviceName { get; init; }

    [JsonPropertyName("threads")]
    public required int Threads { get; init; }

    [JsonPropertyName("steps")]
    public required long Steps { get; init; }

    [JsonPropertyName("interrupted")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Interrupted { get; init; }

    [JsonPropertyName("profile")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ProfileRow>? Profile { get; init; }

    [JsonPropertyName("products")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ProductRow>? Products { get; init; }

    [JsonPropertyName("sample")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Sample { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(StepMetrics))]
[JsonSerializable(typeof(TrainSummary))]
internal sealed partial class TrainJson : JsonSerializerContext;
