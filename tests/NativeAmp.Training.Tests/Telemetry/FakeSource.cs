using NativeAmp.Telemetry;

namespace NativeAmp.Training.Tests.Telemetry;

/// <summary>A source with values that a test sets.</summary>
internal sealed class FakeSource(Action<TelemetryReading> read, string name = "fake") : ITelemetrySource
{
    public string Name => name;

    public bool Disposed { get; private set; }

    public void Read(TelemetryReading reading) => read(reading);

    public void Dispose() => Disposed = true;
}

/// <summary>A clock that a test sets.</summary>
internal sealed class FakeTime : TimeProvider
{
    public TimeSpan Now { get; set; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Now.Ticks;

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + Now;
}
