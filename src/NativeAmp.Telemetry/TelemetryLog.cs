using System.Text.Json;

namespace NativeAmp.Telemetry;

/// <summary>
/// Writes samples to a file of JSON lines: <c>_timestamp</c> in seconds since 1970, <c>_runtime</c> in seconds since
/// the sampler was made, then the values by name; <c>_not_available</c> holds reasons by name, each once.
/// </summary>
public sealed class TelemetryLog : IDisposable
{
    // A milliwatt, a millijoule, a hundredth of a percent are more than anything here is good for.
    private const int Decimals = 4;

    private readonly FileStream _file;
    private readonly Lock _gate = new();

    /// <summary>Opens the file; its folder is made.</summary>
    /// <param name="path">The file. It is overwritten.</param>
    /// <param name="append">Whether it is kept, and samples go to its end.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It must not be.</exception>
    public TelemetryLog(string path, bool append = false)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            Directory.CreateDirectory(folder);
        // No buffer of its own: a line is written whole, so that a reader who follows the file sees it, and what a full
        // disk refused is not tried again.
        _file = append
            ? new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0)
            : new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        if (append && _file.CanSeek)
            GoToEnd();
    }

    /// <summary>Writes a sample.</summary>
    /// <exception cref="IOException">The disk is full, the pipe closed.</exception>
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

    // A line that a crash cut is ended, so that the next one is whole.
    private void GoToEnd()
    {
        if (_file.Length == 0)
            return;
        _file.Seek(-1, SeekOrigin.End);
        if (_file.ReadByte() != '\n')
            _file.WriteByte((byte)'\n');
    }
}
