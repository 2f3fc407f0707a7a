namespace NativeAmp.Benchmarks;

/// <summary>A benchmark that runs on a device and is timed by the device's clock.</summary>
public abstract class DeviceBenchmark
{
    /// <summary>The kinds of devices on this machine.</summary>
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
