using System.Globalization;

namespace NativeAmp.Cli.Study;

/// <summary>A study's figures as tables.</summary>
internal static class StudyTables
{
    /// <summary>Headings of <see cref="Rows"/>.</summary>
    public static IReadOnlyList<string> Columns { get; } =
        ["precision", "batch", "runs", "samples/s", "95 % interval", "step ms", "peak MiB", "J/sample", "last loss", "accuracy", "skipped"];

    /// <summary>A row a configuration: medians of its repeats, and the interval of its mean speed.</summary>
    public static IReadOnlyList<IReadOnlyList<string>> Rows(StudyFigures figures) => [.. figures.Configurations.Select(Row)];

    /// <summary>Headings of <see cref="Runs"/>.</summary>
    public static IReadOnlyList<string> RunColumns { get; } =
        ["order", "run", "outcome", "samples/s", "step ms", "peak MiB", "J/sample", "last loss", "accuracy", "skipped", "seconds", "°C at start"];

    /// <summary>A row a run, in the order in which they were made.</summary>
    public static IReadOnlyList<IReadOnlyList<string>> Runs(StudyFigures figures) =>
    [
        .. figures.Configurations.SelectMany(c => c.Runs).OrderBy(run => run.Result.Order).Select(run => (IReadOnlyList<string>)
        [
            Text(run.Result.Order), run.Run.Name, run.IsDone ? "done" : run.Result.Outcome == RunOutcome.OutOfMemory ? "out of memory" : "failed",
            Words.Number(run.SamplesPerSecond), Words.Number(run.StepMilliseconds), Words.Number(run.PeakBytes / (1 << 20)), Words.Number(run.JoulesPerSample),
            Loss(run.FinalLoss), Words.Accuracy(run.TestAccuracy), Words.Number(run.Skipped), Words.Number(run.Result.Seconds),
            Words.Number(run.Result.StartTemperature ?? double.NaN),
        ]),
    ];

    private static IReadOnlyList<string> Row(ConfigurationFigures figures)
    {
        double[] speeds = figures.Of(run => run.SamplesPerSecond);
        Estimate speed = Statistics.GeometricMean(speeds);
        string done = figures.Runs.Count == figures.Done.Count ? Text(figures.Done.Count)
            : figures.Done.Count == 0 && figures.IsOutOfMemory ? "out of memory"
            : $"{Text(figures.Done.Count)} of {Text(figures.Runs.Count)}";
        return
        [
            Words.Precision(figures.Configuration.Precision), Text(figures.Configuration.Batch), done, Words.Number(Statistics.Median(speeds)),
            speed.HasInterval ? $"{Words.Number(speed.Low)} to {Words.Number(speed.High)}" : "-",
            Words.Number(Median(run => run.StepMilliseconds)), Words.Number(Median(run => run.PeakBytes) / (1 << 20)), Words.Number(Median(run => run.JoulesPerSample)),
            Loss(Median(run => run.FinalLoss)), Words.Accuracy(Median(run => run.TestAccuracy)), Words.Number(Median(run => run.Skipped)),
        ];

        double Median(Func<RunFigures, double> figure) => Statistics.Median(figures.Of(figure));
    }

    private static string Loss(double loss) => double.IsFinite(loss) ? loss.ToString("0.0000", CultureInfo.InvariantCulture) : "-";

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
