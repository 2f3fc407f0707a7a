using System.Text.Json.Serialization;
using NativeAmp.Telemetry;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>Energy of the steps of a run, by one source.</summary>
internal sealed record EnergyRow(
    [property: JsonPropertyName("source")] string Source,
    [property: JsonPropertyName("joules")] double? Joules,
    [property: JsonPropertyName("joules_per_sample")] double? JoulesPerSample,
    [property: JsonPropertyName("method")] string Method,
    [property: JsonPropertyName("seconds")] double Seconds,
    [property: JsonPropertyName("samples")] long Samples,
    [property: JsonPropertyName("reason")]
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        string? Reason
);

/// <summary>
/// Telemetry of a run (--telemetry), and the energy of its steps: from the end of the first one on, without the tests
/// between epochs.
/// </summary>
internal sealed class TrainTelemetry : IDisposable
{
    private readonly TelemetrySampler _sampler;
    private readonly TelemetryLog _log;
    private readonly string _source;
    private readonly long _stepsPerEpoch;
    private readonly Dictionary<string, List<EnergyMeasurement>> _energy = new(StringComparer.Ordinal);
    private EnergyWindow? _window;
    private long _samples;
    private long _samplesOfWindow;

    /// <summary>Opens the file and starts sampling.</summary>
    /// <param name="file">The file.</param>
    /// <param name="settings">The settings of the run.</param>
    /// <param name="device">The device that it computes on.</param>
    /// <param name="stepsPerEpoch">Steps of an epoch, after which a test may follow.</param>
    /// <param name="outputs">The guard for a file that cannot be written.</param>
    public TrainTelemetry(string file, TrainSettings settings, Device device, long stepsPerEpoch, OutputGuard outputs)
    {
        _stepsPerEpoch = stepsPerEpoch;
        _log = new TelemetryLog(file, append: settings.Resume);
        var sources = new List<ITelemetrySource> { new DeviceMemoryTelemetry(device), new CpuTelemetry() };
        _source = "cpu";
        if (device.Kind == DeviceKind.Cuda)
        {
            var gpu = GpuTelemetry.Of(device);
            _source = gpu.Name;
            sources.Insert(0, gpu);
        }

        _sampler = new TelemetrySampler(sources, TimeSpan.FromMilliseconds(settings.TelemetryInterval));
        _sampler.Sampled += (_, sample) => outputs.Write(() => _log.Write(sample));
        _sampler.Start();
    }

    /// <summary>Energy by source; empty before <see cref="Finish"/>.</summary>
    public IReadOnlyList<EnergyRow> Energy { get; private set; } = [];

    /// <summary>Joules per sample, by the device that computes; null if they could not be measured.</summary>
    public double? JoulesPerSample => Energy.FirstOrDefault(row => row.Source == _source)?.JoulesPerSample;

    /// <summary>Records a finished step.</summary>
    public void StepDone(in StepReport step)
    {
        if (_window is not null)
            _samplesOfWindow += step.Samples;
        if (step.Step == step.TotalSteps || step.Step % _stepsPerEpoch == 0)
            CloseWindow();
        else
            _window ??= _sampler.MeasureEnergy();
    }

    /// <summary>Records a finished epoch, after its test.</summary>
    public void EpochDone(bool isLast)
    {
        if (!isLast)
            _window ??= _sampler.MeasureEnergy();
    }

    /// <summary>Stops sampling, and sums the energy.</summary>
    public void Finish()
    {
        CloseWindow();
        _sampler.Stop();
        // A GPU that cannot be read has no row, and neither has a run of one step.
        _energy.TryAdd(_source, []);
        Energy = [.. _energy.OrderByDescending(pair => pair.Key == _source).Select(pair => Row(pair.Key, pair.Value))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _sampler.Dispose();
        _log.Dispose();
    }

    private void CloseWindow()
    {
        foreach (EnergyMeasurement measurement in _window?.Stop() ?? [])
        {
            // A run that ends with a test has begun a window for steps that never come.
            if (_samplesOfWindow == 0)
                break;
            if (!_energy.TryGetValue(measurement.Source, out List<EnergyMeasurement>? measurements))
                _energy.Add(measurement.Source, measurements = []);
            measurements.Add(measurement);
        }

        _window = null;
        _samples += _samplesOfWindow;
        _samplesOfWindow = 0;
    }

    private EnergyRow Row(string source, List<EnergyMeasurement> measurements)
    {
        double seconds = measurements.Sum(m => m.Duration.TotalSeconds);
        string? reason = measurements.Select(m => m.Reason).FirstOrDefault(text => text.Length > 0);
        if (measurements.Count == 0 || _samples == 0 || measurements.Any(m => m.Joules is null))
        {
            reason ??= _sampler.NotAvailable.GetValueOrDefault(source, "there was no step after the first");
            return new EnergyRow(source, null, null, "none", seconds, _samples, reason);
        }

        double joules = measurements.Sum(m => m.Joules!.Value);
        EnergyMethod method = measurements.Any(m => m.Method == EnergyMethod.Power)
            ? EnergyMethod.Power
            : EnergyMethod.Counter;
        return new EnergyRow(
            source,
            joules,
            joules / _samples,
            method.ToString().ToLowerInvariant(),
            seconds,
            _samples,
            reason
        );
    }
}
