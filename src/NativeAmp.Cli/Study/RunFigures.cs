using System.Text.Json;

namespace NativeAmp.Cli.Study;

/// <summary>A step of a run, from its metrics.</summary>
internal readonly record struct StepPoint(long Step, double Loss, double Scale, bool Skipped, double Milliseconds);

/// <summary>A run and all its measurements.</summary>
internal sealed record RunFigures
{
    private static readonly string[] NotKinds = ["total", "peak"];

    public required PlannedRun Run { get; init; }

    public required RunResult Result { get; init; }

    public required IReadOnlyList<StepPoint> Steps { get; init; }

    public required Telemetry Telemetry { get; init; }

    /// <summary>Samples per second after the warm-up; NaN if there is no such step.</summary>
    public required double SamplesPerSecond { get; init; }

    /// <summary>Median time of a step after the warm-up.</summary>
    public required double StepMilliseconds { get; init; }

    /// <summary>Whether the run completed.</summary>
    public bool IsDone => Result.Outcome == RunOutcome.Done;

    /// <summary>Training samples that it saw.</summary>
    public double Samples => (double)Steps.Count * Run.Configuration.Batch;

    /// <summary>
    /// Mean loss of the last tenth of the steps, at least one: the loss of a single step is mostly noise.
    /// </summary>
    public double FinalLoss =>
        Steps.Count == 0
            ? double.NaN
            : Steps.Skip(Steps.Count - Math.Max(1, Steps.Count / 10)).Average(step => step.Loss);

    /// <summary>Share of the test set that is classified correctly; NaN without a test set.</summary>
    public double TestAccuracy => Number("test_accuracy");

    /// <summary>Whether --to-accuracy was reached; null without that option.</summary>
    public bool? ReachedAccuracy =>
        Result.Summary is { ValueKind: JsonValueKind.Object } s
        && s.TryGetProperty("reached_accuracy", out JsonElement reached)
        && reached.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? reached.ValueKind == JsonValueKind.True
            : null;

    /// <summary>Total seconds of all steps, without tests.</summary>
    public double TrainingSeconds => Steps.Sum(step => step.Milliseconds) / 1000;

    /// <summary>Joules per training sample; NaN if energy was not measured.</summary>
    public double JoulesPerSample => Number("joules_per_sample");

    /// <summary>Steps to the accuracy of --to-accuracy; NaN if it was not reached, and without that option.</summary>
    public double StepsToAccuracy => ReachedAccuracy == true ? Steps.Count : double.NaN;

    /// <summary>Seconds of the training steps to that accuracy, or NaN.</summary>
    public double SecondsToAccuracy => ReachedAccuracy == true ? TrainingSeconds : double.NaN;

    /// <summary>
    /// Joules of the training steps to that accuracy, or NaN. The energy window does not cover the first step, which
    /// counts like the others.
    /// </summary>
    public double JoulesToAccuracy => ReachedAccuracy == true ? JoulesPerSample * Samples : double.NaN;

    /// <summary>Steps that were skipped.</summary>
    public double Skipped => Number("skipped");

    /// <summary>Peak bytes of a step on the device, by the library's own count.</summary>
    public double PeakBytes =>
        Memory.TryGetValue("peak", out double peak) || Memory.TryGetValue("total", out peak) ? peak : double.NaN;

    /// <summary>Bytes of a step by kind, which add up to <see cref="PeakBytes"/>.</summary>
    public IReadOnlyList<(string Kind, double Bytes)> MemoryByKind =>
        [
            .. Memory
                .Where(pair => !NotKinds.Contains(pair.Key))
                .Select(pair => (pair.Key.Replace('_', ' '), pair.Value)),
        ];

    /// <summary>A number of the summary; NaN if it is not there.</summary>
    public double Number(string name) => Json.Number(Result.Summary, name);

    /// <summary>A text of the summary; empty if it is not there.</summary>
    public string Text(string name) => Json.Text(Result.Summary, name);

    private IReadOnlyDictionary<string, double> Memory =>
        Json.Numbers(Result.Summary, "memory") is { Count: > 0 } memory
            ? memory
            : Json.Numbers(Result.Summary, "peak_bytes");
}

/// <summary>
/// Reads JSON that may not be as expected: a value that is missing or has another type becomes NaN or empty.
/// </summary>
internal static class Json
{
    public static double Number(JsonElement? json, string name) =>
        json is { ValueKind: JsonValueKind.Object } o
        && o.TryGetProperty(name, out JsonElement value)
        && value.ValueKind == JsonValueKind.Number
            ? value.GetDouble()
            : double.NaN;

    public static string Text(JsonElement? json, string name) =>
        json is { ValueKind: JsonValueKind.Object } o
        && o.TryGetProperty(name, out JsonElement value)
        && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : "";

    public static IReadOnlyDictionary<string, double> Numbers(JsonElement? json, string name)
    {
        var numbers = new OrderedDictionary<string, double>();
        if (
            json is { ValueKind: JsonValueKind.Object } o
            && o.TryGetProperty(name, out JsonElement value)
            && value.ValueKind == JsonValueKind.Object
        )
        {
            foreach (
                JsonProperty member in value
                    .EnumerateObject()
                    .Where(member => member.Value.ValueKind == JsonValueKind.Number)
            )
                numbers[member.Name] = member.Value.GetDouble();
        }

        return numbers;
    }

    /// <summary>Elements of an array; none if it is not an array.</summary>
    public static IEnumerable<JsonElement> Elements(JsonElement? json, string name) =>
        json is { ValueKind: JsonValueKind.Object } o
        && o.TryGetProperty(name, out JsonElement value)
        && value.ValueKind == JsonValueKind.Array
            ? value.EnumerateArray()
            : [];
}
