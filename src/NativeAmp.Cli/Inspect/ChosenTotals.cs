using NativeAmp.Cli.Train;

namespace NativeAmp.Cli.Inspect;

/// <summary>
/// Totals by kind of the tensors that --tensor chose from a step of a run. The file has reports of tensors, not their
/// numbers. So counts are exact sums, the best scale is exact to a power of two, and the noise of several tensors
/// together is unknown.
/// </summary>
internal static class ChosenTotals
{
    /// <summary>
    /// A total for each kind. Tensors that stay float32 on purpose count only if no other tensor of their kind was
    /// chosen.
    /// </summary>
    /// <param name="tensors">The chosen tensors.</param>
    /// <param name="compute">The dtype that operators computed in, from the record.</param>
    public static IReadOnlyList<TensorReport> Of(IReadOnlyList<TensorReport> tensors, string compute)
    {
        string type = Enum.TryParse(compute, ignoreCase: true, out PrecisionKind precision)
            ? StatisticsObserver.TypeName(precision.ComputeType())
            : "";
        return
        [
            .. tensors
                .GroupBy(tensor => tensor.Kind)
                .Select(kind =>
                {
                    TensorReport[] counted =
                    [
                        .. kind.Where(tensor => tensor.DType == type || tensor.Kind == TensorKinds.Parameter),
                    ];
                    return Together(kind.Key, counted.Length > 0 ? counted : [.. kind]);
                }),
        ];
    }

    private static TensorReport Together(string kind, TensorReport[] all)
    {
        string name = $"chosen of kind {kind}";
        if (all.Length == 1)
            return all[0] with { Name = name };
        TensorReport[] some = [.. all.Where(tensor => tensor.Values > 0)];
        double largest = all.Max(tensor => tensor.Largest);
        int first = some.Length == 0 ? 0 : some.Min(tensor => tensor.FirstExponent);
        long[] exponents = new long[
            some.Length == 0 ? 0 : some.Max(tensor => tensor.FirstExponent + tensor.Exponents.Count) - first
        ];
        foreach (TensorReport tensor in some)
        {
            for (int i = 0; i < tensor.Exponents.Count; i++)
                exponents[tensor.FirstExponent - first + i] += tensor.Exponents[i];
        }

        var statistics = new ValueStatistics();
        for (int i = 0; i < exponents.Length; i++)
        {
            // A number counts as the middle of its power of two; the largest stays exact, since it decides about
            // overflow.
            bool isTop = i == exponents.Length - 1;
            statistics.Add(Math.ScaleB(1.5, first + i), exponents[i] - (isTop ? 1 : 0));
            statistics.Add(largest, isTop ? 1 : 0);
        }

        return new TensorReport(
            name,
            kind,
            "",
            [],
            all.Sum(tensor => tensor.Count),
            all.Sum(tensor => tensor.Zeros),
            all.Sum(tensor => tensor.NaN),
            all.Sum(tensor => tensor.Inf),
            largest,
            some.Length == 0 ? 0 : some.Min(tensor => tensor.Smallest),
            first,
            exponents,
            [.. TensorReport.Compared.Select(format => Together(format, some, statistics))]
        )
        {
            IsSum = true,
        };
    }

    private static FormatReport Together(NumberFormat format, TensorReport[] all, ValueStatistics statistics)
    {
        FormatReport[] reports = [.. all.Select(tensor => tensor.Of(format))];
        FormatFit best = FormatFit.Best(statistics, format);
        return new FormatReport(
            format.Name,
            reports.Sum(report => report.Overflow),
            reports.Sum(report => report.Underflow),
            reports.Sum(report => report.Subnormal),
            SnrDb: null,
            reports.All(report => report.Exact),
            best.Scale,
            best.Underflow,
            best.Subnormal,
            BestSnrDb: null
        );
    }
}
