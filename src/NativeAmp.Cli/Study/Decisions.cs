using System.Globalization;

namespace NativeAmp.Cli.Study;

/// <summary>The conclusion of a study in three sentences: speed, memory and energy, and the recommendation.</summary>
internal static class Decisions
{
    // A smaller saving of memory is hardly a reason to take another precision.
    private const double WorthwhileMemory = 0.9;

    // A larger slowdown is a price for it. Seeing no difference is not enough: with few repeats a real difference may
    // not be seen.
    private const double WorthwhileSpeed = 0.9;

    /// <summary>The precision that others are compared with: FP32 if it was measured.</summary>
    public static string Baseline(StudyFigures figures) =>
        figures.Configurations.Any(c => c.Configuration.Precision == "fp32" && c.Done.Count > 0) || figures.Any is null
            ? "fp32"
            : figures.Any.Run.Configuration.Precision;

    /// <summary>The batch at which precisions are compared: the largest one that most of them completed.</summary>
    public static int CommonBatch(StudyFigures figures) =>
        figures
            .Batches.OrderByDescending(batch =>
                figures.Settings.Precisions.Count(p => figures.Find(p, batch) is not null)
            )
            .ThenByDescending(batch => batch)
            .First();

    /// <summary>The sentences; just one if no run completed.</summary>
    public static IReadOnlyList<string> Sentences(StudyFigures figures)
    {
        if (figures.Any is null)
            return ["No run completed, so there is nothing to decide by."];
        string baseline = Baseline(figures);
        return [Speed(figures, baseline), Memory(figures, baseline), Choice(figures, baseline)];
    }

    /// <summary>
    /// The speed; more is better. It is samples per second, or for --to-accuracy the inverse of the seconds to it; NaN
    /// if it was not reached.
    /// </summary>
    private static double Rate(StudyFigures figures, RunFigures run) =>
        figures.Settings.ToAccuracy is null ? run.SamplesPerSecond : 1 / run.SecondsToAccuracy;

    private static ConfigurationFigures? Fastest(StudyFigures figures, Func<ConfigurationFigures, bool> among) =>
        figures
            .Configurations.Where(c => c.Of(run => Rate(figures, run)).Length > 0 && among(c))
            .MaxBy(c => Statistics.GeometricMean(c.Of(run => Rate(figures, run))).Value);

    private static Estimate Faster(StudyFigures figures, ConfigurationFigures a, ConfigurationFigures b) =>
        Statistics.Ratio(a.Of(run => Rate(figures, run)), b.Of(run => Rate(figures, run)));

    private static string Speed(StudyFigures figures, string baseline)
    {
        if (Fastest(figures, _ => true) is not { } best)
            return $"No run reached the accuracy of {figures.Settings.ToAccuracy} that was asked for.";
        string what = figures.Settings.ToAccuracy is { } accuracy
            ? $"reaches {accuracy} first: "
                + $"{Words.Number(Statistics.GeometricMean(best.Of(run => run.SecondsToAccuracy)).Value)} seconds of "
                + "training"
            : $"is the fastest: {Words.Number(Statistics.GeometricMean(best.Of(run => run.SamplesPerSecond)).Value)} "
                + "samples a second";
        string first =
            $"{best.Configuration} {what} (geometric mean of {Words.Runs(best.Of(run => Rate(figures, run)).Length)})";
        string other = best.Configuration.Precision == baseline ? "" : baseline;
        ConfigurationFigures? against =
            other.Length > 0
                ? Fastest(figures, c => c.Configuration.Precision == other)
                : Fastest(figures, c => c.Configuration.Precision != baseline);
        if (against is null)
            return first + ".";
        Estimate ratio = Faster(figures, best, against);
        return $"{first}, {Words.Number(ratio.Value)} times as fast as "
            + $"{Words.Precision(against.Configuration.Precision)}'s best, batch "
            + $"{against.Configuration.Batch.ToString(CultureInfo.InvariantCulture)}{Interval(ratio)}.";
    }

    private static string Memory(StudyFigures figures, string baseline)
    {
        int batch = CommonBatch(figures);
        var all = figures
            .Settings.Precisions.Select(p => (Name: p, Figures: figures.Find(p, batch)))
            .Where(p => p.Figures is not null)
            .Select(p =>
                (
                    p.Name,
                    Bytes: Median(p.Figures!, run => run.PeakBytes),
                    OfSample: Median(p.Figures!, run => run.JoulesPerSample),
                    ToAccuracy: Median(p.Figures!, run => run.JoulesToAccuracy)
                )
            )
            .ToArray();
        double ofBaseline = all.FirstOrDefault(p => p.Name == baseline).Bytes;
        string memory = string.Join(
            ", ",
            all.Select(p =>
                $"{Words.Precision(p.Name)} "
                + $"{Words.Mebibytes(p.Bytes)}{(p.Name != baseline && ofBaseline > 0 ? $" ({Words.Number(p.Bytes / ofBaseline)} of it)" : "")}"
            )
        );
        string energy = Joules("a sample takes", all.Select(p => (p.Name, p.OfSample)));
        if (energy.Length == 0)
            energy = "; energy was not measured here";
        else if (figures.Settings.ToAccuracy is { } accuracy)
            energy += Joules($"the training to {accuracy} takes", all.Select(p => (p.Name, p.ToAccuracy)));
        return string.Create(CultureInfo.InvariantCulture, $"At batch {batch} the peak memory is {memory}{energy}.");

        static double Median(ConfigurationFigures figures, Func<RunFigures, double> figure) =>
            Statistics.Median(figures.Of(figure));
    }

    /// <summary>Joules of each precision after a semicolon; empty if one of them has none.</summary>
    private static string Joules(string what, IEnumerable<(string Precision, double Joules)> all) =>
        all.All(one => double.IsFinite(one.Joules))
            ? $"; {what} {string.Join(", ", all.Select(one => $"{Words.Precision(one.Precision)} {Words.Number(one.Joules)} J"))}"
            : "";

    private static string Choice(StudyFigures figures, string baseline)
    {
        if (Fastest(figures, c => c.Configuration.Precision == baseline) is not { } reference)
            return $"There is no recommendation: no run completed in {Words.Precision(baseline)}, the baseline of "
                + "the comparison.";
        int batch = CommonBatch(figures);
        List<string> seen = [];
        ConfigurationFigures choice = reference;
        string why = "no other was measurably faster, or smaller and as fast and as accurate";
        foreach (string precision in figures.Settings.Precisions.Where(p => p != baseline))
        {
            if (
                figures.Find(precision, batch) is not { } one
                || figures.Find(baseline, batch) is not { } other
                || Fastest(figures, c => c.Configuration.Precision == precision) is not { } best
            )
                continue;
            (string text, bool worse) = Accuracy(one, other, precision);
            seen.Add(text);
            Estimate speed = Faster(figures, best, choice);
            double memory =
                Statistics.Median(one.Of(run => run.PeakBytes)) / Statistics.Median(other.Of(run => run.PeakBytes));
            if (worse || one.Failures.Count > 0)
                continue;
            if (speed.Excludes(1) && speed.Value > 1)
                (choice, why) = (best, "it is measurably faster");
            else if (
                choice == reference
                && speed.HasInterval
                && speed.Low > WorthwhileSpeed
                && memory < WorthwhileMemory
            )
                (choice, why) = (best, "it needs less memory and is less than a tenth slower, if at all");
        }

        string accuracy =
            seen.Count == 0
                ? ""
                : $": {string.Join(", ", seen)} at batch {batch.ToString(CultureInfo.InvariantCulture)}";
        return $"Take {choice.Configuration}, since {why}{accuracy}.";
    }

    /// <summary>The difference from the baseline in accuracy or loss, and whether it is measurably worse.</summary>
    private static (string Text, bool Worse) Accuracy(
        ConfigurationFigures one,
        ConfigurationFigures other,
        string precision
    )
    {
        double[] a = one.Of(run => run.TestAccuracy),
            b = other.Of(run => run.TestAccuracy);
        bool isAccuracy = a.Length > 0 && b.Length > 0;
        Estimate difference = isAccuracy
            ? Statistics.Difference(a, b)
            : Statistics.Difference(one.Of(run => run.FinalLoss), other.Of(run => run.FinalLoss));
        string Text(double value) => isAccuracy ? Words.Points(value) : Words.LossDifference(value);
        string interval = difference.HasInterval
            ? $" (95 % interval {Text(difference.Low)} to {Text(difference.High)})"
            : "";
        bool worse = difference.Excludes(0) && (isAccuracy ? difference.Value < 0 : difference.Value > 0);
        return (
            $"{Words.Precision(precision)}'s {(isAccuracy ? "test accuracy" : "last loss")} differs by "
                + $"{Text(difference.Value)}{(isAccuracy ? " points" : "")}{interval}",
            worse
        );
    }

    private static string Interval(Estimate ratio) =>
        ratio.HasInterval
            ? $" (95 % interval {Words.Number(ratio.Low)} to "
                + $"{Words.Number(ratio.High)}{(ratio.Excludes(1) ? "" : ": no measurable difference")})"
            : " (one run each, so without an interval)";
}
