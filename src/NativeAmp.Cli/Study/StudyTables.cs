using System.Globalization;
using NativeAmp.Cli.Output;
using NativeAmp.Planning;

namespace NativeAmp.Cli.Study;

/// <summary>A study's figures as a table: headings and rows.</summary>
internal sealed record StudyTable(IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows);

/// <summary>The tables of a study. They have columns for time and energy to an accuracy if the study has one.</summary>
internal static class StudyTables
{
    /// <summary>One row per configuration: medians of its repeats, and the interval of its mean speed.</summary>
    public static StudyTable Configurations(StudyFigures figures) =>
        Table(
            figures.Configurations,
            [
                ("precision", c => Words.Precision(c.Configuration.Precision)),
                ("batch", c => Text(c.Configuration.Batch)),
                ("runs", Done),
                ("samples/s", c => Words.Number(Median(c, run => run.SamplesPerSecond))),
                (
                    "95 % interval",
                    c =>
                        Statistics.GeometricMean(c.Of(run => run.SamplesPerSecond)) is { HasInterval: true } speed
                            ? $"{Words.Number(speed.Low)} to {Words.Number(speed.High)}"
                            : "-"
                ),
                ("step ms", c => Words.Number(Median(c, run => run.StepMilliseconds))),
                ("peak MiB", c => Words.Number(Median(c, run => run.PeakBytes) / BinaryUnits.MiB)),
                ("J/sample", c => Words.Number(Median(c, run => run.JoulesPerSample))),
                ("last loss", c => Loss(Median(c, run => run.FinalLoss))),
                ("accuracy", c => Percentage.Fine(Median(c, run => run.TestAccuracy))),
                ("skipped", c => Words.Number(Median(c, run => run.Skipped))),
                .. ToAccuracy<ConfigurationFigures>(
                    figures,
                    c => Of(c.Done.Count(run => run.ReachedAccuracy == true), c.Done.Count),
                    c => Median(c, run => run.SecondsToAccuracy),
                    c => Median(c, run => run.JoulesToAccuracy)
                ),
            ]
        );

    /// <summary>One row per run, in the order in which they were made.</summary>
    public static StudyTable Runs(StudyFigures figures) =>
        Table(
            [.. figures.Configurations.SelectMany(c => c.Runs).OrderBy(run => run.Result.Order)],
            [
                ("order", run => Text(run.Result.Order)),
                ("run", run => run.Run.Name),
                (
                    "outcome",
                    run =>
                        run.IsDone ? "done"
                        : run.Result.Outcome == RunOutcome.OutOfMemory ? "out of memory"
                        : "failed"
                ),
                ("samples/s", run => Words.Number(run.SamplesPerSecond)),
                ("step ms", run => Words.Number(run.StepMilliseconds)),
                ("peak MiB", run => Words.Number(run.PeakBytes / BinaryUnits.MiB)),
                ("J/sample", run => Words.Number(run.JoulesPerSample)),
                ("last loss", run => Loss(run.FinalLoss)),
                ("accuracy", run => Percentage.Fine(run.TestAccuracy)),
                ("skipped", run => Words.Number(run.Skipped)),
                .. ToAccuracy<RunFigures>(
                    figures,
                    run => run.ReachedAccuracy == true ? "yes" : "no",
                    run => run.SecondsToAccuracy,
                    run => run.JoulesToAccuracy
                ),
                ("seconds", run => Words.Number(run.Result.Seconds)),
                ("°C at start", run => Words.Number(run.Result.StartTemperature ?? double.NaN)),
            ]
        );

    private static StudyTable Table<T>(
        IReadOnlyList<T> items,
        IReadOnlyList<(string Heading, Func<T, string> Cell)> columns
    ) =>
        new(
            [.. columns.Select(column => column.Heading)],
            [.. items.Select(item => (IReadOnlyList<string>)[.. columns.Select(column => column.Cell(item))])]
        );

    private static IEnumerable<(string, Func<T, string>)> ToAccuracy<T>(
        StudyFigures figures,
        Func<T, string> reached,
        Func<T, double> seconds,
        Func<T, double> joules
    ) =>
        figures.Settings.ToAccuracy is not { } accuracy
            ? []
            :
            [
                ($"reached {accuracy}", reached),
                ($"s to {accuracy}", item => Words.Number(seconds(item))),
                ($"J to {accuracy}", item => Words.Number(joules(item))),
            ];

    private static string Done(ConfigurationFigures figures) =>
        figures.Runs.Count == figures.Done.Count ? Text(figures.Done.Count)
        : figures.Done.Count == 0 && figures.IsOutOfMemory ? "out of memory"
        : Of(figures.Done.Count, figures.Runs.Count);

    private static double Median(ConfigurationFigures figures, Func<RunFigures, double> figure) =>
        Statistics.Median(figures.Of(figure));

    private static string Loss(double loss) =>
        double.IsFinite(loss) ? loss.ToString("0.0000", CultureInfo.InvariantCulture) : "-";

    private static string Of(int some, int all) => $"{Text(some)} of {Text(all)}";

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
