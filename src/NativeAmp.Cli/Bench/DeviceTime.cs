namespace NativeAmp.Cli.Bench;

/// <summary>
/// Seconds as a device sees them: asking waits for all work that was put there before. Events give a span in float32
/// milliseconds, of which a minute has four microseconds; so the short spans between two questions are added up in
/// float64.
/// </summary>
internal sealed class DeviceTime : IDisposable
{
    private DeviceEvent _before;
    private DeviceEvent _now;
    private double _seconds;

    /// <summary>Begins with zero, now.</summary>
    public DeviceTime(Device device)
    {
        _before = new DeviceEvent(device);
        _now = new DeviceEvent(device);
        _before.Record();
    }

    /// <summary>Since the beginning.</summary>
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
