using System.Text.Json;

namespace NativeAmp.Telemetry;

/// <summary>Telemetry of NativeAmp's memory of a device by kind, as its caching allocator counts it.</summary>
/// <param name="device">The device; it stays the caller's.</param>
public sealed class DeviceMemoryTelemetry(Device device) : ITelemetrySource
{
    internal const string Peak = "nativeamp.memory.peak";
    internal const string Cached = "nativeamp.memory.cached";

    private static readonly string[] Names = [.. DeviceMemoryStatistics.Kinds.Select(NameOf)];

    private readonly Device _device = device ?? throw new ArgumentNullException(nameof(device));

    /// <inheritdoc/>
    public string Name => "nativeamp.memory";

    /// <inheritdoc/>
    public void Read(TelemetryReading reading)
    {
        ArgumentNullException.ThrowIfNull(reading);
        DeviceMemoryStatistics memory = _device.MemoryStatistics;
        for (int i = 0; i < Names.Length; i++)
            reading.Add(Names[i], memory.LiveBytes(DeviceMemoryStatistics.Kinds[i]));
        reading.Add(Peak, memory.PeakTotalBytes);
        reading.Add(Cached, memory.CachedBytes);
    }

    /// <inheritdoc/>
    public void Dispose() { }

    // The same names as for the memory of a step in the summary of train.
    internal static string NameOf(MemoryKind kind) =>
        "nativeamp.memory." + JsonNamingPolicy.SnakeCaseLower.ConvertName(kind.ToString());
}
