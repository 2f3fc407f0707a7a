namespace NativeAmp.Benchmarks;

/// <summary>What runs on a device and is timed as that sees it.</summary>
public abstract class DeviceBenchmark
{
    /// <summary>The kinds that are here.</summary>
    public static IEnumerable<DeviceKind> Kinds =>
        Device.Available(DeviceKind.Cuda).Count > 0 ? [DeviceKind.Cpu, DeviceKind.Cuda] : [DeviceKind.Cpu];

    protected Device Device { get; private set; } = null!;

    protected void Open(DeviceKind kind, int threads = 0)
    {
        Device = kind == DeviceKind.Cuda ? Device.Cuda() : Device.Cpu(threads);
        DeviceClock.Instance.Follow(Device);
    }

    protected void Close()
    {
        DeviceClock.Instance.Follow(null);
        Device.Dispose();
    }
}
