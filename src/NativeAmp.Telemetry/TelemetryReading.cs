namespace NativeAmp.Telemetry;

/// <summary>What sources have to say at one moment: values by name, and what they could not read.</summary>
public sealed class TelemetryReading
{
    internal Dictionary<string, double> Values { get; } = new(StringComparer.Ordinal);

    internal Dictionary<string, string> Missing { get; } = new(StringComparer.Ordinal);

    /// <summary>Adds a value. One that is not finite is not available.</summary>
    /// <param name="name">Its name, see <see cref="TelemetryNames"/>.</param>
    /// <param name="value">The value, in the unit of its name.</param>
    public void Add(string name, double value)
    {
        if (double.IsFinite(value))
            Values[name] = value;
        else
            NotAvailable(name, "the value that was read is no number");
    }

    /// <summary>Says that a value could not be read.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="reason">Why, without a period.</param>
    public void NotAvailable(string name, string reason) => Missing[name] = reason;
}
