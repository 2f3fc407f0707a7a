using System.Globalization;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>Progress for output that cannot be redrawn: a line from time to time.</summary>
internal sealed class LineProgress(TextWriter output) : ITrainProgress
{
    private const int Lines = 20;

    private readonly ProgressFigures _figures = new();

    public void Step(in StepReport step)
    {
        _figures.Add(step);
        // By step, not by clock: the same run writes the same lines.
        long every = Math.Max(1, step.TotalSteps / Lines);
        if (step.Step % every == 0 || step.Step == step.TotalSteps)
            output.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"step {step.Step, 6}/{step.TotalSteps}  loss {_figures.Loss}  scale "
                        + $"{ProgressFigures.Scale(step.Scale)}  "
                        + $"skipped {step.SkippedSoFar}  {_figures.SamplesPerSecond(step)} samples/s  "
                        + $"{_figures.TimeLeft(step)} left"
                )
            );
    }

    public void Note(string line) => output.WriteLine(line);

    public void Dispose() => output.Flush();
}
