using System.Text.Json;

namespace NativeAmp.Telemetry;

/// <summary>
/// Writes samples to a file of JSON lines: <c>_timestamp</c> in seconds since 1970, <c>_runtime</c> in seconds since
/// the sampler was made, then the values by name; <c>_not_available</c> holds reasons by name, each once.
/// </summary>
public sealed class TelemetryLog : IDisposable
{
    // No measurement here is more accurate than a milliwatt, a millijoule or a hundredth of a percent.
    private const int Decimals = 4;

    private readonly FileStream _file;
    private readonly Lock _gate = new();

    /// <summary>Opens the file, and creates its folder.</summary>
    /// <param name="path">The file.</param>
    /// <param name="append">Whether to append to the file; otherwise it is overwritten.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">Access is denied.</exception>
    public TelemetryLog(string path, bool append = false)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            Directory.CreateDirectory(folder);
        // Without a buffer a line is written whole, so that a reader of the growing file sees it, and a line that a
        // full disk refused is not tried again.
        _file = append
            ? new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0)
            : new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        if (append && _file.CanSeek)
            GoToEnd();
    }

    /// <summary>Writes a sample.</summary>
    /// <exception cref="IOException">The disk is full, or the pipe is closed.</exception>
    public void Write(TelemetrySample sample)
    {
        ArgumentNullException.ThrowIfNull(sample);
        using var line = new MemoryStream();
        using (var json = new Utf8JsonWriter(line))
        {
            json.WriteStartObject();
            json.WriteNumber("_timestamp", sample.Time.ToUnixTimeMilliseconds() / 1e3);
            json.WriteNumber("_runtime", Math.Round(sample.Runtime.TotalSeconds, 6));
            foreach ((string name, double value) in sample.Values)
                json.WriteNumber(name, Math.Round(value, Decimals));
            if (sample.NewlyMissing.Count > 0)
            {
                json.WriteStartObject("_not_available");
                foreach ((string name, string reason) in sample.NewlyMissing)
                    json.WriteString(name, reason);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        line.WriteByte((byte)'\n');
        lock (_gate)
            _file.Write(line.GetBuffer().AsSpan(0, (int)line.Length));
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    // End a line that a crash cut, so that the next one is whole.
    private void GoToEnd()
    {
        if (_file.Length == 0)
            return;
        _file.Seek(-1, SeekOrigin.End);
        if (_file.ReadByte() != '\n')
            _file.WriteByte((byte)'\n');
    }
}
