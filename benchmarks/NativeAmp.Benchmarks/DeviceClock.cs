using System.Diagnostics;
using NativeAmp.Cli.Bench;
using Perfolizer.Horology;

namespace NativeAmp.Benchmarks;

/// <summary>
/// The clock of BenchmarkDotNet's iterations. It is that of the measured device, by events, so that an iteration ends
/// when its kernels are done; without a device it is the host's. It never goes back.
/// </summary>
internal sealed class DeviceClock : IClock
{
    private readonly Stopwatch _host = Stopwatch.StartNew();
    private double _secondsBefore;
    private DeviceTime? _device;

    private DeviceClock() { }

    public static DeviceClock Instance { get; } = new();

    public string Title => "device events";

    public bool IsAvailable => true;

    public Frequency Frequency => Frequency.GHz;

    public long GetTimestamp() => (long)(Seconds() * 1e9);

    /// <summary>Follows a device from now on, or the host if it is null.</summary>
    public void Follow(Device? device)
    {
        _secondsBefore = Seconds();
        _device?.Dispose();
        _device = device is null ? null : new DeviceTime(device);
        _host.Restart();
    }

    // The name of the job's setting in reports.
    public override string ToString() => Title;

    private double Seconds() => _secondsBefore + (_device?.Seconds() ?? _host.Elapsed.TotalSeconds);
}
