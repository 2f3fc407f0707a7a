using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;
using SkiaSharp;

namespace NativeAmp.Reports;

/// <summary>The style of every chart.</summary>
internal static class ChartStyle
{
    // ScottPlot takes a font with serifs if none of its favorites is installed.
    private static readonly string? Sans = new[]
    {
        "Segoe UI",
        "Helvetica Neue",
        "Noto Sans",
        "DejaVu Sans",
        "Liberation Sans",
    }.FirstOrDefault(SKFontManager.Default.FontFamilies.Contains);

    /// <summary>Draws axes, grid and letters in the palette's colors, on a transparent background.</summary>
    public static void Apply(Plot plot, string xLabel, string yLabel, float fontSize)
    {
        plot.FigureBackground.Color = Colors.Transparent;
        plot.DataBackground.Color = Colors.Transparent;
        plot.Axes.Color(Palette.Ink);
        plot.Grid.MajorLineColor = Palette.Grid;
        plot.HideLegend();
        plot.XLabel(xLabel);
        plot.YLabel(yLabel);
        plot.Axes.Right.FrameLineStyle.Width = 0;
        plot.Axes.Top.FrameLineStyle.Width = 0;
        // Room for half of the text of the last tick.
        plot.Axes.Right.MinimumSize = 18;
        plot.Axes.Top.MinimumSize = 10;
        foreach (IAxis axis in new IAxis[] { plot.Axes.Top, plot.Axes.Right })
        {
            axis.TickLabelStyle.IsVisible = false;
            axis.MajorTickStyle.Length = 0;
            axis.MinorTickStyle.Length = 0;
        }
        foreach (IAxis axis in new IAxis[] { plot.Axes.Bottom, plot.Axes.Left })
        {
            axis.TickLabelStyle.FontSize = fontSize;
            axis.Label.FontSize = fontSize;
            axis.Label.Bold = false;
            axis.MinorTickStyle.Length = 0;
        }
        plot.Axes.Margins(0.03, 0.08);
        SetFont(plot);
    }

    /// <summary>Ticks at powers of ten, for values that are drawn by their logarithms.</summary>
    public static void Logarithmic(IAxis axis) =>
        axis.TickGenerator = new NumericAutomatic
        {
            IntegerTicksOnly = true,
            LabelFormatter = power => PowerOfTen((int)Math.Round(power)),
        };

    /// <summary>Draws the plot with a white background, a title and a legend.</summary>
    public static T Whole<T>(Chart chart, Func<T> draw)
    {
        Plot plot = chart.Plot;
        plot.FigureBackground.Color = Colors.White;
        plot.Title(chart.Title, 15);
        plot.Axes.Title.Label.ForeColor = Palette.Ink;
        SetFont(plot);
        var items = chart
            .Series.Where(series => series.Name.Length > 0)
            .Select(series => new LegendItem
            {
                LabelText = series.Name,
                LineColor = series.ColorIndex < 0 ? Palette.Muted : Palette.Series(series.ColorIndex),
                LineWidth = 3,
                LinePattern =
                    series.ColorIndex < 0 ? LinePattern.Dotted
                    : series.IsDashed ? LinePattern.Dashed
                    : LinePattern.Solid,
            })
            .ToArray();
        plot.Legend.FontSize = 13;
        plot.Legend.FontColor = Palette.Ink;
        plot.Legend.OutlineWidth = 0;
        plot.Legend.ShadowColor = Colors.Transparent;
        plot.Legend.BackgroundColor = Colors.Transparent;
        if (items.Length > 0)
            plot.ShowLegend(items);
        var panel = items.Length > 0 ? plot.ShowLegend(Edge.Bottom) : null;
        try
        {
            return draw();
        }
        finally
        {
            if (panel is not null)
                plot.Axes.Remove(panel);
            plot.HideLegend();
            plot.Axes.Title.Label.Text = "";
            plot.Axes.Title.IsVisible = false;
            plot.FigureBackground.Color = Colors.Transparent;
        }
    }

    private static void SetFont(Plot plot)
    {
        if (Sans is null)
            return;
        plot.Font.Set(Sans);
        plot.Legend.FontName = Sans;
    }

    // Unicode's superscripts, which every sans serif has.
    private static string PowerOfTen(int power)
    {
        if (power is >= -2 and <= 3)
            return Math.Pow(10, power).ToString(CultureInfo.InvariantCulture);
        string digits = power.ToString(CultureInfo.InvariantCulture);
        return "10" + string.Concat(digits.Select(digit => digit == '-' ? '⁻' : "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit - '0']));
    }
}
