using System.Text.Json;
using System.Text.Json.Serialization;

namespace NativeAmp.Cli.Study;

/// <summary>How a run ended.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RunOutcome>))]
internal enum RunOutcome
{
    /// <summary>To its end.</summary>
    [JsonStringEnumMemberName("done")]
    Done,

    /// <summary>There was not enough memory.</summary>
    [JsonStringEnumMemberName("out_of_memory")]
    OutOfMemory,

    /// <summary>For another reason, such as a loss that is not finite.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed,
}

/// <summary>
/// What came of a run: its result.json, written when it ended by itself. One that was stopped has none, and is made
/// again.
/// </summary>
internal sealed record RunResult
{
    [JsonPropertyName("name")]
    public required string Name { get; init; }

    [JsonPropertyName("outcome")]
    public required RunOutcome Outcome { get; init; }

    /// <summary>What the run said where it is not done.</summary>
    [JsonPropertyName("reason")]
    public string? Reason { get; init; }

    [JsonPropertyName("exit_code")]
    public required int ExitCode { get; init; }

    /// <summary>Its place in the study's order, from 1; 1 for a probe.</summary>
    [JsonPropertyName("order")]
    public required int Order { get; init; }

    [JsonPropertyName("started")]
    public required DateTimeOffset Started { get; init; }

    /// <summary>From start to end of its process.</summary>
    [JsonPropertyName("seconds")]
    public required double Seconds { get; init; }

    /// <summary>Degrees Celsius of the GPU before it; null where that is not known.</summary>
    [JsonPropertyName("start_temperature")]
    public double? StartTemperature { get; init; }

    /// <summary>Seconds that were waited for the GPU to cool down.</summary>
    [JsonPropertyName("waited")]
    public double Waited { get; init; }

    /// <summary>Instructions of the processor that matter to low precision; empty where they are not known.</summary>
    [JsonPropertyName("processor")]
    public IReadOnlyList<string> Processor { get; init; } = [];

    /// <summary>What nativeamp train --json wrote.</summary>
    [JsonPropertyName("summary")]
    public JsonElement? Summary { get; init; }
}
