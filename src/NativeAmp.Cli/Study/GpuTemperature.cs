using NativeAmp.Telemetry;

namespace NativeAmp.Cli.Study;

/// <summary>Reads the temperature of this machine's GPUs without opening one.</summary>
internal sealed class GpuTemperature : IDisposable
{
    private readonly TelemetrySampler _sampler = new(GpuTelemetry.All(), TimeSpan.FromSeconds(1));

    /// <summary>Degrees Celsius of the hottest GPU, or null if none can be read.</summary>
    public double? Read()
    {
        double[] degrees =
        [
            .. _sampler
                .SampleNow()
                .Values.Where(value => value.Key.EndsWith(".temp", StringComparison.Ordinal))
                .Select(value => value.Value),
        ];
        return degrees.Length > 0 ? degrees.Max() : null;
    }

    public void Dispose() => _sampler.Dispose();
}
