namespace NativeAmp.Telemetry;

/// <summary>Something that can be measured beside a run: a GPU, the machine's processors, memory by kind.</summary>
public interface ITelemetrySource : IDisposable
{
    /// <summary>What it is, for messages, such as <c>gpu</c>.</summary>
    string Name { get; }

    /// <summary>
    /// Reads everything now. One thread at a time calls it, not always the same one. What cannot be read is said by
    /// <see cref="TelemetryReading.NotAvailable"/>; an exception is caught by the sampler and said under
    /// <see cref="Name"/>.
    /// </summary>
    void Read(TelemetryReading reading);
}
