using System.Text.Json;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>
/// Writes --metrics: one JSON object per line for each step, and the summary last. JSON has no NaN and no infinities:
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
    /// <param name="path">The file. Its folder is created.</param>
    /// <param name="goesOn">Whether to keep records of an earlier run, up to the step from which it resumes.</param>
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

    /// <summary>Sets the step after which the run resumes; 0 if it begins anew.</summary>
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
            // Every line was flushed, so a failure was reported before.
        }
    }

    /// <summary>
    /// The value as a double, so that a scale of 2^32 is written as 4294967296 and not in the shortest digits of a
    /// float.
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
        _writer.Flush(); // a reader of the file sees every step, also after a crash
    }
}
