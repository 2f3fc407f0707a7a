using System.Diagnostics.Metrics;

namespace NativeAmp.Telemetry;

/// <summary>
/// Publishes the latest sample as .NET metrics, for OpenTelemetry collectors: the meter "NativeAmp.Telemetry", with one
/// instrument for each name, created when the name first has a value.
/// </summary>
internal sealed class TelemetryMeter : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string Name = "NativeAmp.Telemetry";

    private readonly Meter _meter = new(Name);
    private readonly HashSet<string> _shown = new(StringComparer.Ordinal);
    private volatile IReadOnlyDictionary<string, double> _latest = new Dictionary<string, double>();

    /// <summary>Publishes a sample's values from now on.</summary>
    public void Show(TelemetrySample sample)
    {
        _latest = sample.Values;
        foreach (string name in sample.Values.Keys)
        {
            if (!_shown.Add(name))
                continue;
            TelemetryName? entry = TelemetryNames.Find(name);
            if (entry is { IsCounter: true })
                _meter.CreateObservableCounter(name, () => Latest(name), entry.Unit, entry.Description);
            else
                _meter.CreateObservableGauge(name, () => Latest(name), entry?.Unit, entry?.Description);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    // A value that could not be read gives no measurement: the last value is not repeated.
    private IEnumerable<Measurement<double>> Latest(string name) =>
        _latest.TryGetValue(name, out double value) ? [new(value)] : [];
}
