using System.Globalization;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>Smoothed rates and times of a run, and their format.</summary>
internal sealed class ProgressFigures
{
    // About the last twenty steps.
    private const double Smoothing = 0.05;

    private double _milliseconds;
    private double _loss = double.NaN;

    /// <summary>Adds a step.</summary>
    public void Add(in StepReport step)
    {
        _milliseconds =
            _milliseconds == 0 ? step.Milliseconds : _milliseconds + Smoothing * (step.Milliseconds - _milliseconds);
        if (float.IsFinite(step.Loss))
            _loss = double.IsNaN(_loss) ? step.Loss : _loss + Smoothing * (step.Loss - _loss);
    }

    public string Loss => SummaryText.Loss(_loss);

    public string SamplesPerSecond(in StepReport step) =>
        (step.Samples / Math.Max(1e-9, _milliseconds / 1000)).ToString("0", CultureInfo.InvariantCulture);

    public string TimeLeft(in StepReport step)
    {
        double seconds = Math.Min(
            TimeSpan.MaxValue.TotalSeconds / 2,
            (step.TotalSteps - step.Step) * _milliseconds / 1000
        );
        var left = TimeSpan.FromSeconds(Math.Round(seconds));
        return string.Create(CultureInfo.InvariantCulture, $"{(long)left.TotalMinutes}:{left.Seconds:D2}");
    }

    public static string Scale(float scale) => scale.ToString("G6", CultureInfo.InvariantCulture);
}
