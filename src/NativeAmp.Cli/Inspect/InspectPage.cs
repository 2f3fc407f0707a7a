using System.Globalization;
using NativeAmp.Reports;

namespace NativeAmp.Cli.Inspect;

/// <summary>An inspection as a page with pictures.</summary>
internal static class InspectPage
{
    // A phone must be able to open the page too.
    private const int MostPictures = 24;

    private static readonly NumberFormat[] Drawn =
    [
        NumberFormat.Float16,
        NumberFormat.BFloat16,
        NumberFormat.Float8E4M3,
        NumberFormat.Float8E5M2,
    ];

    /// <summary>The page.</summary>
    /// <param name="report">The inspection.</param>
    /// <param name="step">The step of a run, or null for files.</param>
    public static HtmlPage Of(InspectReport report, StepRecord? step)
    {
        string what = string.Join(", ", report.Files.Select(Path.GetFileName));
        HtmlPage page = new HtmlPage($"Do these numbers fit? {what}").Lead([.. Lead(report, step)]);
        page.Section("All together").Figures(Pictures(report, step));
        page.Note(
            "A format holds numbers in full precision where its line is thick, and as subnormals where it is thin: they "
                + "have fewer bits. Numbers to the right "
                + "of a line overflow; numbers to its left become zero."
        );
        foreach (TensorReport total in report.Totals.Where(IsOfUse))
            page.Table(
                total.Name,
                InspectText.FormatColumns,
                total.Formats.Select(format => InspectText.FormatRow(total, format))
            );
        page.Section("Each tensor")
            .Table(
                "Tensors",
                InspectText.Columns,
                report.Tensors.Select(tensor => (IReadOnlyList<string>)[tensor.Kind, .. InspectText.Row(tensor)])
            );
        TensorReport[] drawn = [.. report.Tensors.Where(IsOfUse).OrderByDescending(Lost).Take(MostPictures)];
        return page.Details(
            $"Pictures of {drawn.Length} tensors, those that lose the most in fp16 first",
            inner =>
                inner.Figures([
                    .. drawn.Select(tensor => ExponentChart.Histogram(tensor.Name, [(tensor.Kind, tensor, 0)], Drawn)),
                ])
        );
    }

    /// <summary>Charts of the tensors of each kind together.</summary>
    public static IReadOnlyList<Chart> Pictures(InspectReport report, StepRecord? step) =>
        [.. report.Totals.Where(IsOfUse).SelectMany(total => Pictures(total, step))];

    private static IEnumerable<string> Lead(InspectReport report, StepRecord? step)
    {
        yield return $"{FigureText.Number(report.Tensors.Count)} tensors with "
            + $"{FigureText.Number(report.Tensors.Sum(tensor => tensor.Count))} numbers"
            + (
                step is null
                    ? "."
                    : string.Create(
                        CultureInfo.InvariantCulture,
                        $", at step {step.Inspect} of a run in {step.Compute} with a loss scale of {step.Scale:G6}."
                    )
            );
        foreach (TensorReport total in report.Totals.Where(IsOfUse))
        {
            FormatReport half = total.Of(NumberFormat.Float16),
                brain = total.Of(NumberFormat.BFloat16);
            yield return $"{Sentence(total.Kind)}s lie at {FigureText.Range(total)}. In fp16: "
                + $"{FigureText.Cell(total, half)}. In bf16: {FigureText.Cell(total, brain)}.";
            if (TensorKinds.AreScaled(total.Kind))
                yield return InspectText.LossScale(total, step?.Scale ?? 1);
        }

        if (step?.FirstOverflow is { } first)
            yield return $"The step failed; the first that is not finite is the {first}.";
    }

    private static IEnumerable<Chart> Pictures(TensorReport total, StepRecord? step)
    {
        int scale = step is not null && TensorKinds.AreScaled(total.Kind) ? Math.ILogB(step.Scale) : 0;
        string kind = Sentence(total.Kind) + "s";
        if (scale == 0)
        {
            yield return ExponentChart.Histogram(kind, [(kind, total, 0)], Drawn);
            if (
                step is null
                && TensorKinds.AreScaled(total.Kind)
                && total.Of(NumberFormat.Float16).BestScalePower is var best and not 0
            )
                yield return ExponentChart.Histogram(
                    $"{kind} times {FigureText.Power(best)}",
                    [($"{kind} times {FigureText.Power(best)}", total, best)],
                    Drawn
                );
            yield break;
        }

        yield return ExponentChart.Histogram(
            $"{kind} without the loss scale",
            [($"{kind} divided by {FigureText.Power(scale)}", total, -scale)],
            Drawn
        );
        yield return ExponentChart.Histogram(
            $"{kind} with the loss scale",
            [($"{kind} as they are, times {FigureText.Power(scale)}", total, 0)],
            Drawn
        );
    }

    private static bool IsOfUse(TensorReport report) => report.Values > 0 && report.Kind != TensorKinds.Counter;

    private static double Lost(TensorReport tensor) =>
        tensor.Of(NumberFormat.Float16) is var format
            ? (double)(format.Overflow + format.Underflow + format.Subnormal) / tensor.Values
            : 0;

    private static string Sentence(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
