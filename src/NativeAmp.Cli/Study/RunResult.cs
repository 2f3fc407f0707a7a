using System.Text.Json;
using System.Text.Json.Serialization;

namespace NativeAmp.Cli.Study;

/// <summary>How a run ended.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RunOutcome>))]
internal enum RunOutcome
{
    /// <summary>The run completed.</summary>
    [JsonStringEnumMemberName("done")]
    Done,

    /// <summary>The run was out of memory.</summary>
    [JsonStringEnumMemberName("out_of_memory")]
    OutOfMemory,

    /// <summary>The run failed for another reason, such as a loss that is not finite.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed,
}

/// <summary>
/// The result of a run: its result.json, written when it ended by itself. A run that was stopped has none, and is
/// repeated.
/// </summary>
internal sealed record RunResult
{
    [JsonPropertyName("name")]
    public required string Name { get; init; }

    [JsonPropertyName("outcome")]
    public required RunOutcome Outcome { get; init; }

    /// <summary>The message of the run if it did not complete.</summary>
    [JsonPropertyName("reason")]
    public string? Reason { get; init; }

    [JsonPropertyName("exit_code")]
    public required int ExitCode { get; init; }

    /// <summary>Its place in the study's order, from 1; 1 for a probe.</summary>
    [JsonPropertyName("order")]
    public required int Order { get; init; }

    [JsonPropertyName("started")]
    public required DateTimeOffset Started { get; init; }

    /// <summary>Seconds from start to end of its process.</summary>
    [JsonPropertyName("seconds")]
    public required double Seconds { get; init; }

    /// <summary>Degrees Celsius of the GPU before the run; null if unknown.</summary>
    [JsonPropertyName("start_temperature")]
    public double? StartTemperature { get; init; }

    /// <summary>Seconds of waiting for the GPU to cool down.</summary>
    [JsonPropertyName("waited")]
    public double Waited { get; init; }

    /// <summary>Instructions of the processor for low precision; empty if unknown.</summary>
    [JsonPropertyName("processor")]
    public IReadOnlyList<string> Processor { get; init; } = [];

    /// <summary>The output of nativeamp train --json.</summary>
    [JsonPropertyName("summary")]
    public JsonElement? Summary { get; init; }
}
