namespace NativeAmp.Telemetry;

/// <summary>How energy was measured.</summary>
public enum EnergyMethod
{
    /// <summary>Not measured; <see cref="EnergyMeasurement.Reason"/> says why.</summary>
    None,

    /// <summary>By the hardware's energy counter, read at both ends.</summary>
    Counter,

    /// <summary>
    /// By integrating power over the samples in between (trapezoids). Denser samples are more accurate.
    /// </summary>
    Power,
}

/// <summary>Energy of a source in a window.</summary>
/// <param name="Source">The source, such as <c>gpu.0</c> or <c>cpu</c>.</param>
/// <param name="Joules">The energy; null if it could not be measured.</param>
/// <param name="Method">How it was measured.</param>
/// <param name="Duration">The length of the window.</param>
/// <param name="Reason">Why it could not be measured, or not by the counter; empty if it was.</param>
public sealed record EnergyMeasurement(
    string Source,
    double? Joules,
    EnergyMethod Method,
    TimeSpan Duration,
    string Reason
);

/// <summary>Measures energy from its beginning to <see cref="Stop"/>; a sample is taken at both ends.</summary>
public sealed class EnergyWindow
{
    private readonly TelemetrySampler _sampler;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, PowerIntegral> _power = new(StringComparer.Ordinal);
    private readonly TelemetrySample _first;
    private IReadOnlyList<EnergyMeasurement>? _result;

    internal EnergyWindow(TelemetrySampler sampler)
    {
        _sampler = sampler;
        _first = sampler.SampleNow();
        Add(this, _first);
        _sampler.Sampled += Add;
    }

    /// <summary>Ends the window. Later calls return the same.</summary>
    /// <returns>A measurement for each source that has, or should have, an energy counter.</returns>
    public IReadOnlyList<EnergyMeasurement> Stop()
    {
        if (_result is not null)
            return _result;
        // The order matters: samples of the sampler's own thread after the last one do not belong to the window.
        _sampler.Sampled -= Add;
        TelemetrySample last = _sampler.SampleNow();
        Add(this, last);
        lock (_gate)
        {
            IEnumerable<string> names = _first
                .Values.Keys.Concat(last.Values.Keys)
                .Concat(_sampler.NotAvailable.Keys)
                .Where(name => name.EndsWith(TelemetryNames.Energy, StringComparison.Ordinal));
            return _result = [
                .. names
                    .Distinct(StringComparer.Ordinal)
                    .Order(StringComparer.Ordinal)
                    .Select(name => Measure(name, last)),
            ];
        }
    }

    private EnergyMeasurement Measure(string counter, TelemetrySample last)
    {
        string source = counter[..^TelemetryNames.Energy.Length];
        TimeSpan duration = last.Runtime - _first.Runtime;
        bool begun = _first.Values.TryGetValue(counter, out double from);
        bool ended = last.Values.TryGetValue(counter, out double to);
        if (begun && ended && to >= from)
            return new(source, to - from, EnergyMethod.Counter, duration, "");
        string reason =
            begun && ended
                ? "the counter of energy went back"
                : _sampler.NotAvailable.GetValueOrDefault(counter, "the counter of energy could not be read");
        string power = source + TelemetryNames.Power;
        bool integrable =
            _power.TryGetValue(power, out PowerIntegral? integral)
            && _first.Values.ContainsKey(power)
            && last.Values.ContainsKey(power);
        return integrable
            ? new(source, integral!.Joules, EnergyMethod.Power, duration, reason)
            : new(source, null, EnergyMethod.None, duration, reason);
    }

    private void Add(object? sender, TelemetrySample sample)
    {
        lock (_gate)
        {
            foreach ((string name, double watts) in sample.Values)
            {
                if (!name.EndsWith(TelemetryNames.Power, StringComparison.Ordinal))
                    continue;
                if (!_power.TryGetValue(name, out PowerIntegral? integral))
                    _power.Add(name, integral = new PowerIntegral());
                integral.Add(sample.Runtime.TotalSeconds, watts);
            }
        }
    }

    // A failed reading in between is interpolated linearly.
    private sealed class PowerIntegral
    {
        private double _seconds = double.NaN;
        private double _watts;

        public double Joules { get; private set; }

        public void Add(double seconds, double watts)
        {
            if (!double.IsNaN(_seconds))
                Joules += (seconds - _seconds) * (watts + _watts) / 2;
            (_seconds, _watts) = (seconds, watts);
        }
    }
}
