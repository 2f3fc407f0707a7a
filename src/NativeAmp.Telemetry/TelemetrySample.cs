namespace NativeAmp.Telemetry;

/// <summary>What was measured at one moment.</summary>
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

    /// <summary>When, by the machine's clock.</summary>
    public DateTimeOffset Time { get; }

    /// <summary>Time since the sampler was made, by a clock that nobody sets.</summary>
    public TimeSpan Runtime { get; }

    /// <summary>
    /// Values by name, in the units of <see cref="TelemetryNames"/>. What could not be read is not there.
    /// </summary>
    public IReadOnlyDictionary<string, double> Values { get; }

    /// <summary>
    /// What could not be read now and was not missing for the same reason before: the reasons by name.
    /// </summary>
    public IReadOnlyDictionary<string, string> NewlyMissing { get; }
}
