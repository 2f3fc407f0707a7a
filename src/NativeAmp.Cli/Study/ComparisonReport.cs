using System.Globalization;
using NativeAmp.Cli.Output;
using NativeAmp.Reports;

namespace NativeAmp.Cli.Study;

/// <summary>
/// A report of two studies of one model: the changes from the first to the second, with intervals, and then each study.
/// </summary>
internal sealed class ComparisonReport
{
    // Settings that change the work itself, not its amount or place.
    private static readonly string[] Work = ["--data", "--classes", "--context", "--width", "--heads", "--blocks"];

    private readonly StudyFigures _first;
    private readonly StudyFigures _second;
    private readonly string _a;
    private readonly string _b;
    private readonly Pair[] _pairs;

    private ComparisonReport(StudyFigures first, StudyFigures second)
    {
        if (first.Settings.Model != second.Settings.Model)
            throw new UsageException(
                $"{first.Folder} is a study of {first.Settings.Model} and {second.Folder} of {second.Settings.Model}: "
                    + "only studies of one model can be compared."
            );
        (_first, _second, _a, _b) = (first, second, Name(first), Name(second));
        if (_a == _b)
            (_a, _b) = ("first", "second");
        _pairs =
        [
            .. second
                .Configurations.Where(now => now.Done.Count > 0)
                .SelectMany(now =>
                    first.Find(now.Configuration.Precision, now.Configuration.Batch) is { } before
                        ? (Pair[])[new Pair(before, now)]
                        : []
                ),
        ];
    }

    /// <summary>Writes the report.</summary>
    /// <returns>Its path.</returns>
    /// <exception cref="UsageException">The studies have different models.</exception>
    public static string Write(string path, StudyFigures first, StudyFigures second)
    {
        new ComparisonReport(first, second).Page().Save(path);
        return path;
    }

    private HtmlPage Page()
    {
        var page = new HtmlPage($"{_b} compared with {_a}");
        page.Lead(Lead());
        if (_a != Name(_first))
            page.Note($"The first is {_first.Folder}, the second {_second.Folder}.");
        page.Section("What changed");
        IReadOnlyList<string> differences = _second.Settings.DifferencesFrom(_first.Settings);
        page.Paragraph(
            differences.Count == 0
                ? "Both studies have the same settings."
                : $"Settings that differ, {_a} then {_b}: {string.Join("; ", differences)}."
        );
        if (_pairs.Length > 0)
        {
            page.Figures(
                _pairs
                    .GroupBy(pair => pair.Now.Configuration.Precision)
                    .Select(precision => Speed(precision.Key, [.. precision]))
            );
            page.Note("Bars are medians of the repeats; each dot is a repeat.");
            page.Table(
                $"{_b} over {_a}: ratios of speed, memory, energy and time, differences of loss and accuracy, with 95 "
                    + "% intervals by Welch's t",
                [.. Columns.Select(column => column.Heading)],
                _pairs.Select(pair => (IReadOnlyList<string>)[.. Columns.Select(column => column.Cell(pair))])
            );
        }

        foreach ((StudyFigures figures, string name) in new[] { (_first, _a), (_second, _b) })
        {
            page.Section(name);
            page.Lead(Decisions.Sentences(figures));
            StudyReport.AddTo(page, figures, name + ": ");
        }

        return page;
    }

    private IEnumerable<string> Lead()
    {
        if (_pairs.Length == 0)
        {
            yield return $"{_a} and {_b} have no precision and batch in common, so that nothing can be compared.";
            yield break;
        }

        Estimate[] speeds = [.. _pairs.Select(pair => pair.Speed)];
        string differs = speeds.Any(speed => speed.HasInterval)
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"{_b} is measurably faster in {speeds.Count(speed => speed.Excludes(1) && speed.Value > 1)} and "
                    + $"slower in {speeds.Count(speed => speed.Excludes(1) && speed.Value < 1)}"
            )
            : "each ran once in one of them, so that no difference can be told from chance";
        yield return FormattableString.Invariant($"Of {_pairs.Length} configurations that both have, {differs}.");
        Pair most = _pairs.MaxBy(pair => Math.Abs(Math.Log(pair.Speed.Value)))!;
        yield return $"The largest change of speed is {most.Now.Configuration}: {Words.WithInterval(most.Speed)} "
            + "times as fast.";
        string[] work = [.. Work.Where(option => Option(_first, option) != Option(_second, option))];
        if (work.Length > 0)
            yield return $"The work is not the same ({string.Join(", ", work)}), so that the differences are not of "
                + "the machine or the program alone.";
        if (Machine(_first) != Machine(_second))
            yield return $"They ran on different machines: {Machine(_first)}, and {Machine(_second)}.";
    }

    private Chart Speed(string precision, Pair[] pairs) =>
        RepeatBars.Of(
            $"Speed in {Words.Precision(precision)}",
            "samples a second",
            [.. pairs.Select(pair => pair.Now.Configuration.Batch)],
            [
                (_a, [.. pairs.Select(pair => pair.Before.Of(run => run.SamplesPerSecond))]),
                (_b, [.. pairs.Select(pair => pair.Now.Of(run => run.SamplesPerSecond))]),
            ]
        );

    private IReadOnlyList<(string Heading, Func<Pair, string> Cell)> Columns =>
        [
            ("precision", pair => Words.Precision(pair.Now.Configuration.Precision)),
            ("batch", pair => FormattableString.Invariant($"{pair.Now.Configuration.Batch}")),
            ("speed", pair => Words.WithInterval(pair.Speed)),
            ("peak memory", pair => Words.WithInterval(pair.Ratio(run => run.PeakBytes))),
            ("J/sample", pair => Words.WithInterval(pair.Ratio(run => run.JoulesPerSample))),
            ("last loss", pair => Words.WithInterval(pair.Difference(run => run.FinalLoss), Words.LossDifference)),
            ("accuracy, points", pair => Words.WithInterval(pair.Difference(run => run.TestAccuracy), Words.Points)),
            .. _second.Settings.ToAccuracy is not { } accuracy || _first.Settings.ToAccuracy != accuracy
                ? Array.Empty<(string, Func<Pair, string>)>()
                :
                [
                    ($"s to {accuracy}", pair => Words.WithInterval(pair.Ratio(run => run.SecondsToAccuracy))),
                    ($"J to {accuracy}", pair => Words.WithInterval(pair.Ratio(run => run.JoulesToAccuracy))),
                ],
        ];

    private static string Name(StudyFigures figures) =>
        Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(figures.Folder)));

    private static string Machine(StudyFigures figures) => figures.Any!.Text("device_name");

    private static string? Option(StudyFigures figures, string name) =>
        figures.Settings.TrainOptions.GetValueOrDefault(name);

    /// <summary>A configuration in both studies.</summary>
    private sealed record Pair(ConfigurationFigures Before, ConfigurationFigures Now)
    {
        public Estimate Speed => Ratio(run => run.SamplesPerSecond);

        public Estimate Ratio(Func<RunFigures, double> figure) => Statistics.Ratio(Now.Of(figure), Before.Of(figure));

        public Estimate Difference(Func<RunFigures, double> figure) =>
            Statistics.Difference(Now.Of(figure), Before.Of(figure));
    }
}
