using System.Text.Json;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>
/// Writes --metrics: a JSON object a line, one for each step and the summary last. JSON has no NaN and no infinities:
/// such a loss or norm is null.
/// </summary>
internal sealed class MetricsWriter : IDisposable
{
    private readonly string _path;
    private readonly StreamWriter _writer;
    private readonly bool _goesOn;
    private long _lastStep;
    private bool _begun;

    /// <summary>Opens the file.</summary>
    /// <param name="path">The file; its folder is made.</param>
    /// <param name="goesOn">Whether the records of a run before are kept, as far as that run is resumed.</param>
    public MetricsWriter(string path, bool goesOn)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            Directory.CreateDirectory(folder);
        _path = path;
        _goesOn = goesOn;
        FileStream file = goesOn
            ? new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read)
            : new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read);
        _writer = new StreamWriter(file) { NewLine = "\n" };
    }

    /// <summary>Says after which step the run goes on; 0 where it begins anew.</summary>
    public void GoOnAfter(long step) => _lastStep = step;

    public void Write(in StepReport step) =>
        WriteLine(
            JsonSerializer.Serialize(
                new StepMetrics(
                    step.Step,
                    Finite(step.Loss),
                    Finite(step.Scale),
                    step.FoundInf,
                    step.Skipped,
                    step.LearningRate,
                    Finite(step.GradientNorm),
                    Math.Round(step.Milliseconds, 4)
                ),
                TrainJson.Default.StepMetrics
            )
        );

    public void Write(TrainSummary summary) =>
        WriteLine(JsonSerializer.Serialize(summary, TrainJson.Default.TrainSummary));

    public void Dispose()
    {
        try
        {
            _writer.Dispose();
        }
        catch (IOException)
        {
            // Every line was flushed, so that it failed before, and that was said.
        }
    }

    /// <summary>
    /// The value, widened: a scale of 2^32 is written 4294967296 and not as the shortest digits that make the float
    /// again.
    /// </summary>
    internal static double? Finite(double value) => double.IsFinite(value) ? value : null;

    private void WriteLine(string line)
    {
        if (!_begun)
        {
            _begun = true;
            if (_goesOn && _writer.BaseStream.CanSeek)
                MetricsCut.After(_path, _writer.BaseStream, _lastStep);
        }

        _writer.WriteLine(line);
        _writer.Flush(); // whoever follows the file, or looks at it after a crash, sees every step
    }
}
