using System.Text.Json;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>
/// Writes --metrics: a JSON object a line, one for each step and the summary last. JSON has no NaN and no infinities: such a
/// loss or norm is null.
/// </summary>
internal sealed class MetricsWriter : IDisposable
{
    private readonly StreamWriter _writer;

    /// <summary>Opens the file; a resumed run appends to what is there.</summary>
    public MetricsWriter(string path, bool append)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            Directory.CreateDirectory(folder);
        _writer = new StreamWriter(path, append) { NewLine = "\n" };
    }

    public void Write(in StepReport step) => WriteLine(JsonSerializer.Serialize(
        new StepMetrics(step.Step, Finite(step.Loss), Finite(step.Scale), step.FoundInf, step.Skipped, step.LearningRate,
            Finite(step.GradientNorm), Math.Round(step.Milliseconds, 4)), TrainJson.Default.StepMetrics));

    public void Write(TrainSummary summary) => WriteLine(JsonSerializer.Serialize(summary, TrainJson.Default.TrainSummary));

    public void Dispose() => _writer.Dispose();

    /// <summary>The value, widened: a scale of 2^32 is written 4294967296 and not as the shortest digits that make the float again.</summary>
    internal static double? Finite(double value) => double.IsFinite(value) ? value : null;

    private void WriteLine(string line)
    {
        _writer.WriteLine(line);
        _writer.Flush(); // whoever follows the file, or looks at it after a crash, sees every step
    }
}
