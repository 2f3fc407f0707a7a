using System.Globalization;
using NativeAmp.Reports;
using ScottPlot.Plottables;
using ScottPlot.TickGenerators;

namespace NativeAmp.Cli.Inspect;

/// <summary>Charts over powers of two: the ranges of formats, and the distribution of numbers.</summary>
internal static class ExponentChart
{
    private const string XLabel = "power of two";

    /// <summary>One line for each format, from its smallest value to its largest.</summary>
    public static Chart Formats(IReadOnlyList<NumberFormat> formats)
    {
        var chart = new Chart("What each format can hold", XLabel, "");
        for (int i = 0; i < formats.Count; i++)
            DrawRange(chart, formats[i], "", formats.Count - 1 - i, i, width: 9);
        chart.Plot.Axes.Left.TickGenerator = new NumericManual(
            [.. formats.Select((_, i) => (double)(formats.Count - 1 - i))],
            [.. formats.Select(format => format.Name)]
        );
        chart.Plot.Axes.SetLimitsX(-155, 135);
        return chart.LimitsY(-0.8, formats.Count - 0.2);
    }

    /// <summary>The number of values at each power of two, above the ranges of formats.</summary>
    /// <param name="title">The chart's title.</param>
    /// <param name="series">Names, numbers, and the power of two to multiply them by.</param>
    /// <param name="formats">The formats below.</param>
    public static Chart Histogram(
        string title,
        IReadOnlyList<(string Name, TensorReport Numbers, int Scale)> series,
        IReadOnlyList<NumberFormat> formats
    )
    {
        var chart = new Chart(title, XLabel, "share of the numbers, %");
        double most = 0;
        for (int i = 0; i < series.Count; i++)
        {
            (string name, TensorReport numbers, int scale) = series[i];
            (double[] xs, double[] ys) = Steps(numbers, scale);
            chart.Band(xs, new double[xs.Length], ys, i);
            chart.Line(name, xs, ys, i);
            most = Math.Max(most, ys.Append(0).Max());
        }

        most = most > 0 ? most : 1;
        double row = most * 0.09;
        for (int i = 0; i < formats.Count; i++)
            DrawRange(chart, formats[i], formats[i].Name, -row * (i + 1), series.Count + i, width: 7);
        int lowest = series
            .Where(entry => entry.Numbers.Values > 0)
            .Select(entry => entry.Numbers.FirstExponent + entry.Scale)
            .Append(-30)
            .Min();
        int highest = series
            .Where(entry => entry.Numbers.Values > 0)
            .Select(entry => entry.Numbers.FirstExponent + entry.Numbers.Exponents.Count + entry.Scale)
            .Append(18)
            .Max();
        double step = Nice(most);
        double[] ticks = [.. Enumerable.Range(0, (int)(most / step) + 1).Select(i => i * step)];
        chart.Plot.Axes.Left.TickGenerator = new NumericManual(
            ticks,
            [.. ticks.Select(tick => tick.ToString("0.##", CultureInfo.InvariantCulture))]
        );
        chart.Plot.Axes.SetLimitsX(lowest - 2, highest + 2);
        return chart.LimitsY(-row * (formats.Count + 0.8), most * 1.06);
    }

    /// <summary>Writes charts as files, named after their titles.</summary>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static void Save(IEnumerable<Chart> charts, string folder)
    {
        foreach (Chart chart in charts)
            chart.Save(
                folder,
                string.Concat(chart.Title.Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '-'))
            );
    }

    /// <summary>A thick line where values are normal, a thin one where they are subnormal.</summary>
    private static void DrawRange(Chart chart, NumberFormat format, string name, double y, int color, float width)
    {
        chart.Line(name, [format.MinExponent, format.MaxExponent + 1], [y, y], color);
        if (chart.Plot.GetPlottables().Last() is Scatter normal)
            normal.LineWidth = width;
        if (format.SmallestExponent < format.MinExponent)
            chart.Line("", [format.SmallestExponent, format.MinExponent], [y, y], color);
    }

    private static (double[] Xs, double[] Ys) Steps(TensorReport numbers, int scale)
    {
        List<double> xs = [],
            ys = [];
        if (numbers.Values == 0)
            return ([], []);
        double first = numbers.FirstExponent + scale;
        xs.Add(first);
        ys.Add(0);
        for (int i = 0; i < numbers.Exponents.Count; i++)
        {
            double share = 100.0 * numbers.Exponents[i] / numbers.Values;
            xs.AddRange([first + i, first + i + 1]);
            ys.AddRange([share, share]);
        }

        xs.Add(first + numbers.Exponents.Count);
        ys.Add(0);
        return ([.. xs], [.. ys]);
    }

    // 1, 2 or 5 times a power of ten: four to nine ticks.
    private static double Nice(double most)
    {
        double ten = Math.Pow(10, Math.Floor(Math.Log10(most / 4)));
        return ((double[])[5, 2, 1]).Select(factor => factor * ten).First(step => most / step >= 4 || step == ten);
    }
}
