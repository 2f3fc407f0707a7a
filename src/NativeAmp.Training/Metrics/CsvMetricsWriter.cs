using System.Globalization;
using System.Text;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Metrics;

/// <summary>
/// Writes a trainer's metrics to a CSV file (RFC 4180, in the invariant culture): a row for each step and one for each
/// pass, with the columns <c>step</c>, <c>epoch</c> and those of <see cref="TensorBoardWriter.Attach(Trainer)"/>. Cells
/// without a value are empty.
/// </summary>
public sealed class CsvMetricsWriter : IDisposable
{
    private const int LongestLine = 1 << 20;

    private readonly FileStream _stream;
    private readonly string _path;
    private readonly string _header;
    private readonly string[] _columns;
    private readonly bool _append;
    private long _lastStep;
    private bool _begun;

    /// <summary>Opens the file, creates its folder, and writes the trainer's metrics from now on.</summary>
    /// <param name="path">The file.</param>
    /// <param name="trainer">The trainer.</param>
    /// <param name="append">Whether to keep the rows of an earlier run up to the step from which this one resumes.
    /// Otherwise the file is overwritten.</param>
    /// <exception cref="IOException">It cannot be opened. Its handlers throw it if the disk is full.</exception>
    /// <exception cref="UnauthorizedAccessException">Access is denied.</exception>
    public CsvMetricsWriter(string path, Trainer trainer, bool append = false)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(trainer);
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            Directory.CreateDirectory(folder);
        _path = path;
        _append = append;
        _columns = ["step", "epoch", .. MetricSeries.OfSteps, .. MetricSeries.OfEpochs(trainer.MetricNames)];
        _header = string.Join(',', _columns.Select(Quoted));
        _stream = new FileStream(
            path,
            append ? FileMode.OpenOrCreate : FileMode.Create,
            FileAccess.ReadWrite,
            FileShare.Read,
            bufferSize: 0
        );
        trainer.StepCompleted += (_, step) => Write(step);
        trainer.EpochCompleted += (_, epoch) => Write(epoch);
        trainer.Resuming += (_, checkpoint) => _lastStep = checkpoint.Step ?? _lastStep;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _stream.Dispose();

    private void Write(in StepReport step) =>
        WriteRow(step.Step, step.Epoch, MetricSeries.OfSteps.Zip(MetricSeries.ValuesOf(step)));

    private void Write(EpochReport epoch) => WriteRow(epoch.Step, epoch.Epoch, MetricSeries.ValuesOf(epoch));

    private void WriteRow(long step, double epoch, IEnumerable<(string Name, double Value)> values)
    {
        if (!_begun)
            Begin();
        Dictionary<string, string> cells = values.ToDictionary(entry => entry.Name, entry => Text(entry.Value));
        cells.Add("step", Text(step));
        cells.Add("epoch", Text(epoch));
        // Without a buffer a line is written whole, so that a reader of the growing file sees it.
        WriteLine(string.Join(',', _columns.Select(column => cells.GetValueOrDefault(column, ""))));
    }

    private void Begin()
    {
        _begun = true;
        if (_append && _stream.Length > 0)
            CutAfter(_lastStep);
        else
            WriteLine(_header);
    }

    // Rows after the step will come again, and a crash may have left half a row.
    private void CutAfter(long step)
    {
        _stream.Position = 0;
        var lines = new LineReader(_stream);
        long keep = 0;
        while (lines.Read(LongestLine) is { } line && !lines.IsUnfinished)
        {
            if (keep == 0 && Encoding.UTF8.GetString(line) != _header)
                throw new DataFormatException(_path, 0, "other columns", $"those of this run: {_header}");
            ReadOnlySpan<byte> first = line.AsSpan(0, Math.Max(0, line.AsSpan().IndexOf((byte)',')));
            if (keep > 0 && !(long.TryParse(first, CultureInfo.InvariantCulture, out long row) && row <= step))
                break;
            keep = lines.End;
        }

        if (keep == 0)
            throw new DataFormatException(_path, 0, "no line with columns", $"those of this run: {_header}");
        _stream.SetLength(keep);
        _stream.Position = keep;
    }

    private void WriteLine(string line) => _stream.Write(Encoding.UTF8.GetBytes(line + "\n"));

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

    private static string Quoted(string name) =>
        name.AsSpan().IndexOfAny(",\"\r\n") < 0 ? name : $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
