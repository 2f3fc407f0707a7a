using NativeAmp.Planning;
using NativeAmp.Reports;
using ScottPlot.Plottables;

namespace NativeAmp.Cli.Study;

/// <summary>A chart and the name of its files.</summary>
internal sealed record NamedChart(string Name, Chart Chart);

/// <summary>The pictures of a study.</summary>
internal sealed class StudyCharts(StudyFigures figures)
{
    private const int CurvePoints = 60;

    private IReadOnlyList<string> Precisions { get; } =
    [
        .. figures.Settings.Precisions.Where(p =>
            figures.Configurations.Any(c => c.Configuration.Precision == p && c.Done.Count > 0)
        ),
    ];

    private IReadOnlyList<int> Batches { get; } =
    [
        .. figures.Batches.Where(batch =>
            figures.Configurations.Any(c => c.Configuration.Batch == batch && c.Done.Count > 0)
        ),
    ];

    /// <summary>Speed, time to an accuracy, memory.</summary>
    public IEnumerable<NamedChart> Speed()
    {
        yield return new NamedChart(
            "speed",
            Bars("Speed by batch and precision", "samples a second", run => run.SamplesPerSecond)
        );
        yield return new NamedChart("step-time", Bars("Time of a step", "milliseconds", run => run.StepMilliseconds));
        if (Has(run => run.StepsToAccuracy))
        {
            yield return new NamedChart(
                "time-to-accuracy",
                Bars("Training until the accuracy is reached", "seconds", run => run.SecondsToAccuracy)
            );
            yield return new NamedChart(
                "steps-to-accuracy",
                Bars("Steps until the accuracy is reached", "steps", run => run.StepsToAccuracy)
            );
        }
    }

    /// <summary>Peaks by batch, and by kind at the common batch.</summary>
    public IEnumerable<NamedChart> Memory()
    {
        yield return new NamedChart(
            "memory",
            Bars("Peak memory, by our own count", "MiB", run => run.PeakBytes / BinaryUnits.MiB)
        );
        int batch = Decisions.CommonBatch(figures);
        RunFigures[] runs = [.. Precisions.Select(p => figures.Find(p, batch)?.Done[0]).OfType<RunFigures>()];
        string[] kinds = [.. runs.SelectMany(run => run.MemoryByKind.Select(kind => kind.Kind)).Distinct()];
        if (kinds.Length == 0)
            yield break;
        var groups = kinds.Select(kind =>
            (
                kind,
                runs.Select(run => run.MemoryByKind.FirstOrDefault(one => one.Kind == kind).Bytes / BinaryUnits.MiB)
                    .ToArray()
            )
        );
        yield return new NamedChart(
            "memory-by-kind",
            new Chart(FormattableString.Invariant($"Memory of a step by kind, batch {batch}"), "precision", "MiB")
                .Bars(
                    [.. runs.Select(run => Words.Precision(run.Run.Configuration.Precision))],
                    [.. groups],
                    stacked: true
                )
                .FromZero()
        );
    }

    /// <summary>Energy per sample, and to an accuracy, if it was measured.</summary>
    public IEnumerable<NamedChart> Energy()
    {
        if (Has(run => run.JoulesPerSample))
            yield return new NamedChart("energy", Bars("Energy of a sample", "joules", run => run.JoulesPerSample));
        if (Has(run => run.JoulesToAccuracy))
            yield return new NamedChart(
                "energy-to-accuracy",
                Bars("Energy until the accuracy is reached", "joules", run => run.JoulesToAccuracy)
            );
    }

    /// <summary>
    /// Loss over steps, one chart per batch: the mean of the repeats with a band from the smallest to the largest.
    /// </summary>
    public IEnumerable<NamedChart> Losses() =>
        Batches.Select(batch =>
        {
            var chart = new Chart(FormattableString.Invariant($"Loss, batch {batch}"), "step", "loss");
            foreach (string precision in Precisions)
            {
                if (figures.Find(precision, batch) is not { } configuration)
                    continue;
                double[][] curves =
                [
                    .. configuration.Done.Select(run => Curve([.. run.Steps.Select(step => step.Loss)])),
                ];
                int length = curves.Min(curve => curve.Length);
                int steps = configuration.Done.Min(run => run.Steps.Count);
                double[] xs = [.. Enumerable.Range(1, length).Select(i => (double)((long)i * steps / length))];
                double[][] at =
                [
                    .. Enumerable.Range(0, length).Select(i => curves.Select(curve => curve[i]).ToArray()),
                ];
                chart.Band(
                    xs,
                    [.. at.Select(values => values.Min())],
                    [.. at.Select(values => values.Max())],
                    Color(precision)
                );
                chart.Line(
                    Words.Precision(precision),
                    xs,
                    [.. at.Select(values => values.Average())],
                    Color(precision)
                );
                Widen(chart, precision);
            }

            return new NamedChart(FormattableString.Invariant($"loss-b{batch}"), chart);
        });

    /// <summary>Accuracy by batch: every repeat, their mean and its interval; none without a test set.</summary>
    public IEnumerable<NamedChart> Accuracy()
    {
        if (!Has(run => run.TestAccuracy))
            yield break;
        var chart = new Chart("Test accuracy: repeats, mean, 95 % interval", "batch", "%");
        foreach (string precision in Precisions)
        {
            ConfigurationFigures[] all =
            [
                .. Batches.Select(batch => figures.Find(precision, batch)).OfType<ConfigurationFigures>(),
            ];
            double[] xs = [.. all.Select(c => (double)c.Configuration.Batch)];
            Estimate[] means =
            [
                .. all.Select(c => Statistics.Mean([.. c.Of(run => run.TestAccuracy).Select(share => 100 * share)])),
            ];
            chart.Band(
                xs,
                [.. means.Select(mean => mean.Low)],
                [.. means.Select(mean => Math.Min(100, mean.High))],
                Color(precision)
            );
            chart.Line(Words.Precision(precision), xs, [.. means.Select(mean => mean.Value)], Color(precision));
            Widen(chart, precision);
            var repeats = all.SelectMany(c =>
                    c.Done.Select(run => (X: (double)c.Configuration.Batch, Y: 100 * run.TestAccuracy))
                )
                .ToArray();
            chart.Scatter(
                "",
                [.. repeats.Select(point => point.X)],
                [.. repeats.Select(point => point.Y)],
                Color(precision)
            );
        }

        yield return new NamedChart("accuracy", chart);
    }

    /// <summary>The loss scale over steps and the skipped steps, if there is a scale.</summary>
    public IEnumerable<NamedChart> Scale()
    {
        var scaled = figures
            .Configurations.Where(c => c.Done.Any(run => run.Steps.Any(step => step.Scale != 1)))
            .ToArray();
        if (scaled.Length == 0)
            yield break;
        var path = new Chart("The loss scale's path, every repeat", "step", "scale").LogarithmicY();
        int color = 0;
        foreach (ConfigurationFigures configuration in scaled)
        {
            string name = configuration.Configuration.ToString();
            foreach (RunFigures run in configuration.Done)
            {
                (double[] xs, double[] ys) = Changes(run.Steps);
                path.Line(name, xs, ys, color);
                name = "";
            }

            color++;
        }

        yield return new NamedChart("scale", path);
        if (scaled.Any(c => c.Of(run => run.Skipped).Any(skipped => skipped > 0)))
            yield return new NamedChart("skipped", Bars("Skipped steps", "steps", run => run.Skipped));
    }

    /// <summary>The time of a step by group, at the common batch.</summary>
    public IEnumerable<NamedChart> Profile()
    {
        int batch = Decisions.CommonBatch(figures);
        var profiles = Precisions
            .Where(p => figures.Profiles.ContainsKey(new Configuration(p, batch)))
            .Select(p => (Name: p, Groups: ProfileGroups.Of(figures.Profiles[new Configuration(p, batch)])))
            .Where(p => p.Groups is not null)
            .ToArray();
        if (profiles.Length == 0)
            yield break;
        string title =
            FormattableString.Invariant($"Where a step's time goes, batch {batch}")
            + (figures.IsGpu ? ", on the host" : "");
        yield return new NamedChart(
            "profile",
            new Chart(title, "precision", "milliseconds")
                .Bars(
                    [.. profiles.Select(p => Words.Precision(p.Name))],
                    [
                        .. ProfileGroups.Names.Select(
                            (name, i) => (name, profiles.Select(p => p.Groups!.Values[i]).ToArray())
                        ),
                    ],
                    stacked: true
                )
                .FromZero()
        );
    }

    /// <summary>The color of a precision.</summary>
    public int Color(string precision) => figures.Settings.Precisions.ToList().IndexOf(precision);

    private bool Has(Func<RunFigures, double> figure) => figures.Configurations.Any(c => c.Of(figure).Length > 0);

    private Chart Bars(string title, string unit, Func<RunFigures, double> figure) =>
        RepeatBars.Of(
            title,
            unit,
            Batches,
            [
                .. Precisions.Select(p =>
                    (Words.Precision(p), Batches.Select(batch => figures.Find(p, batch)?.Of(figure) ?? []).ToArray())
                ),
            ]
        );

    // The first line is the widest, so that all lines on the same path are seen.
    private void Widen(Chart chart, string precision)
    {
        if (chart.Plot.PlottableList[^1] is Scatter line)
            line.LineWidth = 2 * (Precisions.Count - Color(precision));
    }

    /// <summary>Means of equal parts of the values, of a limited number.</summary>
    internal static double[] Curve(double[] values)
    {
        int points = Math.Min(CurvePoints, values.Length);
        return
        [
            .. Enumerable
                .Range(0, points)
                .Select(i =>
                {
                    int from = (int)((long)i * values.Length / points),
                        to = (int)((long)(i + 1) * values.Length / points);
                    double[] finite = [.. values[from..to].Where(double.IsFinite)];
                    return finite.Length > 0 ? finite.Average() : double.NaN;
                }),
        ];
    }

    /// <summary>The corners of a path.</summary>
    private static (double[] Xs, double[] Ys) Changes(IReadOnlyList<StepPoint> steps)
    {
        StepPoint[] corners =
        [
            .. steps.Where(
                (step, i) =>
                    i == 0
                    || i == steps.Count - 1
                    || step.Scale != steps[i - 1].Scale
                    || step.Scale != steps[i + 1].Scale
            ),
        ];
        return ([.. corners.Select(step => (double)step.Step)], [.. corners.Select(step => step.Scale)]);
    }
}
