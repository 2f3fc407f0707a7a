namespace NativeAmp.Telemetry;

/// <summary>One reading of the sources: values by name, and the reasons for those that could not be read.</summary>
public sealed class TelemetryReading
{
    internal Dictionary<string, double> Values { get; } = new(StringComparer.Ordinal);

    internal Dictionary<string, string> Missing { get; } = new(StringComparer.Ordinal);

    /// <summary>Adds a value. A value that is not finite counts as not available.</summary>
    /// <param name="name">Its name, see <see cref="TelemetryNames"/>.</param>
    /// <param name="value">The value, in the unit of its name.</param>
    public void Add(string name, double value)
    {
        if (double.IsFinite(value))
            Values[name] = value;
        else
            NotAvailable(name, "the value that was read is no number");
    }

    /// <summary>Reports that a value could not be read.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="reason">The reason, without a period.</param>
    public void NotAvailable(string name, string reason) => Missing[name] = reason;
}
