using System.Text.Json.Serialization;
using NativeAmp.Cli.Train;

namespace NativeAmp.Cli.Inspect;

/// <summary>A line of --inspect-out: the statistics of a step.</summary>
/// <param name="Inspect">The step, from 1.</param>
/// <param name="Compute">The dtype that operators computed in.</param>
/// <param name="Scale">The loss scale, which gradients are multiplied by.</param>
/// <param name="Epoch">Completed passes over the data.</param>
/// <param name="FirstSample">Samples of the pass before the step's own.</param>
/// <param name="Failed">Whether its loss or a gradient was not finite.</param>
/// <param name="Loss">Its loss if it failed; null if the loss is not finite.</param>
/// <param name="FirstOverflow">The first tensor that was not finite: an activation in forward order, else a gradient in
/// backward order.</param>
/// <param name="Samples">Indices of its samples in the data, if it failed.</param>
/// <param name="Replay">A file that 'nativeamp train --replay' runs again.</param>
/// <param name="Tensors">Activations in forward order, gradients in backward order, parameters.</param>
/// <param name="Totals">Totals by kind.</param>
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

/// <summary>The outcome of a step, saved in the file that replays it.</summary>
internal sealed record StepOutcome(double? Loss, double Scale, bool Failed, string? FirstOverflow);

/// <summary>The output of --json for a replay.</summary>
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
