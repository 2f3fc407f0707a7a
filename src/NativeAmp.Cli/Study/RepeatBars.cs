using NativeAmp.Reports;

namespace NativeAmp.Cli.Study;

/// <summary>A chart of bars that are medians of repeats, with each repeat as a dot on its bar.</summary>
internal static class RepeatBars
{
    /// <param name="title">The title.</param>
    /// <param name="unit">The unit of the values.</param>
    /// <param name="batches">Names below the groups.</param>
    /// <param name="groups">For each series its name and the repeats at each batch.</param>
    public static Chart Of(
        string title,
        string unit,
        IReadOnlyList<int> batches,
        IReadOnlyList<(string Name, double[][] Repeats)> groups
    )
    {
        Chart chart = new Chart(title, "batch", unit).Bars(
            [.. batches.Select(batch => FormattableString.Invariant($"{batch}"))],
            [.. groups.Select(group => (group.Name, group.Repeats.Select(Statistics.Median).ToArray()))]
        );
        // The places where Chart puts the bars of a group.
        double width = 0.8 / groups.Count;
        for (int g = 0; g < groups.Count; g++)
        {
            for (int b = 0; b < batches.Count; b++)
            {
                double[] repeats = groups[g].Repeats[b];
                if (repeats.Length < 2)
                    continue;
                var dots = chart.Plot.Add.ScatterPoints(
                    [.. repeats.Select(_ => b + (g - (groups.Count - 1) / 2.0) * width)],
                    repeats,
                    Palette.Ink
                );
                dots.MarkerSize = 5;
            }
        }

        return chart.FromZero();
    }
}
