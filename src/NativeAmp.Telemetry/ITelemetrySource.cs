namespace NativeAmp.Telemetry;

/// <summary>A source of telemetry: a GPU, the machine's processors, memory by kind.</summary>
public interface ITelemetrySource : IDisposable
{
    /// <summary>Its name in messages, such as <c>gpu</c>.</summary>
    string Name { get; }

    /// <summary>
    /// Reads all values now. One thread at a time calls it, not always the same one. Report a value that cannot be read
    /// by <see cref="TelemetryReading.NotAvailable"/>. The sampler catches exceptions, and reports them under
    /// <see cref="Name"/>.
    /// </summary>
    void Read(TelemetryReading reading);
}
