using NativeAmp.Reports;

namespace NativeAmp.Cli.Study;

/// <summary>Two studies in one report: what changed from the first to the second, with intervals, then each by itself.</summary>
internal static class ComparisonReport
{
    private static readonly string[] Columns = ["precision", "batch", "speed", "peak memory", "J/sample", "last loss", "accuracy, points"];

    /// <summary>Writes it.</summary>
    /// <returns>Its path.</returns>
    public static string Write(string path, StudyFigures first, StudyFigures second)
    {
        (string a, string b) = (Name(first), Name(second));
        if (a == b)
            (a, b) = ("first", "second");
        var page = new HtmlPage($"{b} compared with {a}");
        (ConfigurationFigures Before, ConfigurationFigures Now)[] pairs =
        [
            .. second.Configurations.Where(now => now.Done.Count > 0)
                .Select(now => (first.Find(now.Configuration.Precision, now.Configuration.Batch), now)).Where(pair => pair.Item1 is not null).Select(pair => (pair.Item1!, pair.now)),
        ];
        page.Lead(Lead(first, second, pairs, a, b));
        page.Section("What changed");
        IReadOnlyList<string> differences = second.Settings.DifferencesFrom(first.Settings);
        page.Paragraph(differences.Count == 0 ? "Both studies have the same settings." : $"Settings that differ, {a} then {b}: {string.Join("; ", differences)}.");
        if (pairs.Length > 0)
        {
            page.Figures(Speed(pairs, a, b));
            page.Table($"{b} over {a}: ratios of speed, memory and energy, differences of loss and accuracy, with 95 % intervals by Welch's t", Columns, pairs.Select(Row));
        }

        foreach ((StudyFigures figures, string name) in new[] { (first, a), (second, b) })
        {
            page.Section(name);
            page.Lead(Decisions.Sentences(figures));
            StudyReport.AddTo(page, figures, name + ": ");
        }

        page.Save(path);
        return path;
    }

    private static string Name(StudyFigures figures) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(figures.Folder)));

    private static IEnumerable<string> Lead(StudyFigures first, StudyFigures second, (ConfigurationFigures Before, ConfigurationFigures Now)[] pairs, string a, string b)
    {
        if (pairs.Length == 0)
        {
            yield return $"{a} and {b} have no precision and batch in common, so that nothing can be compared.";
            yield break;
        }

        int faster = pairs.Count(pair => Speed(pair) is var ratio && ratio.Excludes(1) && ratio.Value > 1);
        int slower = pairs.Count(pair => Speed(pair) is var ratio && ratio.Excludes(1) && ratio.Value < 1);
        yield return FormattableString.Invariant($"Of {pairs.Length} configurations that both have, {b} is measurably faster in {faster} and slower in {slower}.");
        (ConfigurationFigures Before, ConfigurationFigures Now) most = pairs.MaxBy(pair => Math.Abs(Math.Log(Speed(pair).Value)));
        yield return $"The largest change of speed is {most.Now.Configuration}: {Words.WithInterval(Speed(most))} times as fast.";
        if (first.Any!.Text("device_name") != second.Any!.Text("device_name"))
            yield return $"They ran on different machines: {first.Any.Text("device_name")}, and {second.Any.Text("device_name")}.";
    }

    private static Estimate Speed((ConfigurationFigures Before, ConfigurationFigures Now) pair) =>
        Statistics.Ratio(pair.Now.Of(run => run.SamplesPerSecond), pair.Before.Of(run => run.SamplesPerSecond));

    private static Chart Speed((ConfigurationFigures Before, ConfigurationFigures Now)[] pairs, string a, string b) =>
        new Chart("Speed", "precision and batch", "samples a second").Bars(
            [.. pairs.Select(pair => FormattableString.Invariant($"{pair.Now.Configuration.Precision} {pair.Now.Configuration.Batch}"))],
            [
                (a, [.. pairs.Select(pair => Statistics.Mean(pair.Before.Of(run => run.SamplesPerSecond)).Value)]),
                (b, [.. pairs.Select(pair => Statistics.Mean(pair.Now.Of(run => run.SamplesPerSecond)).Value)]),
            ]).FromZero();

    private static IReadOnlyList<string> Row((ConfigurationFigures Before, ConfigurationFigures Now) pair)
    {
        return
        [
            Words.Precision(pair.Now.Configuration.Precision), FormattableString.Invariant($"{pair.Now.Configuration.Batch}"), Words.WithInterval(Speed(pair)),
            Ratio(run => run.PeakBytes), Ratio(run => run.JoulesPerSample), Difference(run => run.FinalLoss, Words.Number), Difference(run => run.TestAccuracy, Words.Points),
        ];

        string Ratio(Func<RunFigures, double> figure) => Words.WithInterval(Statistics.Ratio(pair.Now.Of(figure), pair.Before.Of(figure)));

        string Difference(Func<RunFigures, double> figure, Func<double, string> text)
        {
            Estimate estimate = Statistics.Difference(pair.Now.Of(figure), pair.Before.Of(figure));
            return !double.IsFinite(estimate.Value) ? "-" : text(estimate.Value) + (estimate.HasInterval ? $" ({text(estimate.Low)} to {text(estimate.High)})" : "");
        }
    }
}
