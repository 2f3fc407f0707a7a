namespace NativeAmp.Cli.Bench;

/// <summary>
/// The device's clock in seconds. Reading it waits for all earlier work. An event gives a span in float32 milliseconds,
/// which after a minute is accurate to four microseconds; so the short spans between two readings are summed in
/// float64.
/// </summary>
internal sealed class DeviceTime : IDisposable
{
    private DeviceEvent _before;
    private DeviceEvent _now;
    private double _seconds;

    /// <summary>Starts at zero.</summary>
    public DeviceTime(Device device)
    {
        _before = new DeviceEvent(device);
        _now = new DeviceEvent(device);
        _before.Record();
    }

    /// <summary>Seconds since the start.</summary>
    public double Seconds()
    {
        _now.Record();
        _seconds += _now.SecondsSince(_before);
        (_before, _now) = (_now, _before);
        return _seconds;
    }

    public void Dispose()
    {
        _before.Dispose();
        _now.Dispose();
    }
}
