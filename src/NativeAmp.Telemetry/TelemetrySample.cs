namespace NativeAmp.Telemetry;

/// <summary>The values of one reading.</summary>
public sealed class TelemetrySample
{
    internal TelemetrySample(
        DateTimeOffset time,
        TimeSpan runtime,
        IReadOnlyDictionary<string, double> values,
        IReadOnlyDictionary<string, string> newlyMissing
    )
    {
        Time = time;
        Runtime = runtime;
        Values = values;
        NewlyMissing = newlyMissing;
    }

    /// <summary>The time of the reading, by the machine's clock.</summary>
    public DateTimeOffset Time { get; }

    /// <summary>Time since the sampler was created, by a monotonic clock.</summary>
    public TimeSpan Runtime { get; }

    /// <summary>
    /// Values by name, in the units of <see cref="TelemetryNames"/>. Values that could not be read are left out.
    /// </summary>
    public IReadOnlyDictionary<string, double> Values { get; }

    /// <summary>
    /// Reasons by name for values that could not be read now and were not missing for the same reason before.
    /// </summary>
    public IReadOnlyDictionary<string, string> NewlyMissing { get; }
}
