using System.Globalization;
using NativeAmp.Cli.Output;
using NativeAmp.Reports;

namespace NativeAmp.Cli.Study;

/// <summary>The report of a study: one HTML file, with the numbers and the charts as files beside it.</summary>
internal static class StudyReport
{
    /// <summary>Writes report.html, study.csv, study.jsonl and charts/ into the study's folder.</summary>
    /// <returns>The report's path.</returns>
    public static string Write(StudyFolder folder, StudyFigures figures)
    {
        RunLine[] lines =
        [
            .. figures
                .Configurations.SelectMany(c => c.Runs)
                .OrderBy(run => run.Result.Order)
                .Select(run => RunLine.Of(figures.Settings, run)),
        ];
        File.WriteAllText(folder.In("study.csv"), RunLines.Csv(lines));
        File.WriteAllText(folder.In("study.jsonl"), RunLines.Jsonl(lines));
        var page = new HtmlPage(
            $"{figures.Settings.Model} in {string.Join(", ", figures.Settings.Precisions.Select(Words.Precision))}: "
                + "which to take"
        );
        page.Lead(Decisions.Sentences(figures));
        if (figures.Missing > 0)
            page.Note(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The study is not complete: {figures.Missing} of its runs are still to be made."
                )
            );
        IReadOnlyList<NamedChart> charts = AddTo(page, figures);
        string report = folder.In("report.html");
        page.Save(report);
        SaveCharts(folder.In("charts"), charts);
        return report;
    }

    /// <summary>Adds all sections but the decision.</summary>
    /// <returns>The charts.</returns>
    public static IReadOnlyList<NamedChart> AddTo(HtmlPage page, StudyFigures figures, string prefix = "")
    {
        var charts = new StudyCharts(figures);
        var panels = new TelemetryPanels(figures, charts);
        List<NamedChart> all = [];
        int common = Decisions.CommonBatch(figures);

        page.Section(prefix + "Speed, memory and energy");
        Show([.. charts.Speed(), .. charts.Memory(), .. charts.Energy()]);
        page.Note("Bars are medians of the repeats; each dot is a repeat. Intervals are in the table below.");
        if (figures.Settings.AutoBatch)
            page.List(figures.Limits.Select(Limit));

        page.Section(prefix + "Over time");
        page.List(panels.NotAvailable());
        Show([.. panels.Of(common)]);
        NamedChart[] others = [.. figures.Batches.Where(batch => batch != common).SelectMany(panels.Of)];
        if (others.Length > 0)
            Show(others);

        page.Section(prefix + "Learning");
        Show([.. charts.Losses(), .. charts.Accuracy(), .. charts.Scale()]);
        if (!figures.Configurations.SelectMany(c => c.Done).Any(run => run.Skipped > 0))
            page.Paragraph("No step was skipped in any run.");
        page.Note(
            "Loss: means of equal parts of a run, averaged over repeats; the band reaches from the least repeat to "
                + "the most."
        );

        page.Section(prefix + "Why it is not faster");
        Show([.. charts.Profile()]);
        foreach (string precision in figures.Settings.Precisions.Where(p => p != Decisions.Baseline(figures)))
        {
            IReadOnlyList<string> causes = Diagnosis.Of(figures, precision, common);
            if (causes.Count == 0)
                continue;
            page.Paragraph($"{new Configuration(precision, common)}{Against(figures, precision, common)}:");
            page.List(causes);
        }

        page.Section(prefix + "All figures");
        StudyTable medians = StudyTables.Configurations(figures),
            runs = StudyTables.Runs(figures);
        page.Table(
            prefix + "Medians of the repeats, and the 95 % interval of the speed (t, of its logarithm)",
            medians.Columns,
            medians.Rows
        );
        string[] failures =
        [
            .. figures
                .Configurations.Where(c => c.Failures.Count > 0)
                .Select(c => $"{c.Configuration}: {string.Join("; ", c.Failures)}"),
        ];
        if (failures.Length > 0)
        {
            page.Paragraph("Runs that did not complete:");
            page.List(failures);
        }

        page.Details(
            "every run",
            inner => inner.Table(prefix + "Every run, in the order in which they were made", runs.Columns, runs.Rows)
        );
        page.Section(prefix + "How it was measured");
        page.List(StudyMethod.Sentences(figures));
        return all;

        void Show(IReadOnlyList<NamedChart> some)
        {
            all.AddRange(some);
            if (some.Count > 0)
                page.Figures(some.Select(one => one.Chart));
        }
    }

    /// <summary>Writes each chart as SVG and as PNG. Removes those of an earlier report.</summary>
    public static void SaveCharts(string folder, IEnumerable<NamedChart> charts)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        foreach (NamedChart chart in charts)
            chart.Chart.Save(folder, chart.Name);
    }

    private static string Against(StudyFigures figures, string precision, int batch)
    {
        string baseline = Decisions.Baseline(figures);
        if (figures.Find(precision, batch) is not { } one || figures.Find(baseline, batch) is not { } other)
            return "";
        Estimate ratio = Statistics.Ratio(one.Of(run => run.SamplesPerSecond), other.Of(run => run.SamplesPerSecond));
        return $", is {Words.WithInterval(ratio)} times as fast as {Words.Precision(baseline)}";
    }

    private static string Limit(BatchLimit limit) =>
        limit.Largest == 0
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"{Words.Precision(limit.Precision)}: not even a batch of {limit.Smallest} fits: {limit.Reason}"
            )
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{Words.Precision(limit.Precision)}: the largest batch that fits is {limit.Largest}"
            )
                + (
                    limit.Smallest > 0
                        ? string.Create(CultureInfo.InvariantCulture, $"; {limit.Smallest} does not: {limit.Reason}")
                        : "."
                );
}
