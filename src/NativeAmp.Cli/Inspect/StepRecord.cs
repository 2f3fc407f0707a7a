using System.Text.Json.Serialization;
using NativeAmp.Cli.Train;

namespace NativeAmp.Cli.Inspect;

/// <summary>A line of --inspect-out: what a step's numbers were like.</summary>
/// <param name="Inspect">The step, from 1.</param>
/// <param name="Compute">What operators computed in.</param>
/// <param name="Scale">The loss scale, which gradients are multiplied by.</param>
/// <param name="Epoch">Passes over the data before its own.</param>
/// <param name="FirstSample">Samples of its pass before its own.</param>
/// <param name="Failed">Whether its loss or a gradient was not finite.</param>
/// <param name="Loss">Its loss where it failed; null where that is not finite.</param>
/// <param name="FirstOverflow">What was the first not to be finite: an activation in forward order, else a gradient in
/// backward order.</param>
/// <param name="Samples">Indices of its samples in the data, where it failed.</param>
/// <param name="Replay">A file that 'nativeamp train --replay' runs again.</param>
/// <param name="Tensors">Activations in forward order, gradients in backward order, parameters.</param>
/// <param name="Totals">All of a kind together.</param>
internal sealed record StepRecord(
    long Inspect,
    string Compute,
    double Scale,
    long Epoch,
    long FirstSample,
    bool Failed,
    double? Loss,
    string? FirstOverflow,
    IReadOnlyList<long>? Samples,
    string? Replay,
    IReadOnlyList<TensorReport> Tensors,
    IReadOnlyList<TensorReport> Totals
);

/// <summary>What a step came to, kept with the file that runs it again.</summary>
internal sealed record StepOutcome(double? Loss, double Scale, bool Failed, string? FirstOverflow);

/// <summary>What --json writes of a replay.</summary>
internal sealed record ReplayReport(StepRecord Step, StepOutcome Recorded, bool Same);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true
)]
[JsonSerializable(typeof(StepRecord))]
[JsonSerializable(typeof(StepOutcome))]
[JsonSerializable(typeof(ReplayReport))]
[JsonSerializable(typeof(TrainSettings))]
internal sealed partial class StepJson : JsonSerializerContext;
