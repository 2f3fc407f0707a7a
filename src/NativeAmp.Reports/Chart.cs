using System.Globalization;
using ScottPlot;
using ScottPlot.Plottables;
using ScottPlot.TickGenerators;

namespace NativeAmp.Reports;

/// <summary>
/// A chart in the project's style, drawn by ScottPlot. It can be a file (SVG or PNG, with its legend) or part of an
/// <see cref="HtmlPage"/>, which follows the reader's light or dark setting and writes the legend itself. Points that
/// are not finite are left out. Not thread-safe.
/// </summary>
public sealed class Chart
{
    // Small, with large letters: on a phone 400 pixels wide a picture shrinks to three quarters, and must still be
    // readable.
    private const int Width = 480,
        Height = 320;
    private const float FontSize = 14;

    private readonly List<ChartSeries> _series = [];
    private bool _logarithmicX,
        _logarithmicY;

    /// <summary>An empty chart.</summary>
    /// <param name="title">The title above the chart.</param>
    /// <param name="xLabel">Label of the horizontal axis, with its unit.</param>
    /// <param name="yLabel">Label of the vertical axis, with its unit.</param>
    public Chart(string title, string xLabel, string yLabel)
    {
        (Title, XLabel, YLabel) = (title, xLabel, yLabel);
        ChartStyle.Apply(Plot, xLabel, yLabel, FontSize);
    }

    /// <summary>The title.</summary>
    public string Title { get; }

    /// <summary>Label of the horizontal axis.</summary>
    public string XLabel { get; }

    /// <summary>Label of the vertical axis.</summary>
    public string YLabel { get; }

    /// <summary>The series drawn so far.</summary>
    public IReadOnlyList<ChartSeries> Series => _series;

    /// <summary>
    /// ScottPlot's plot, for elements that this class does not draw. Colors from <see cref="Palette"/> follow the page.
    /// </summary>
    public Plot Plot { get; } = new();

    /// <summary>
    /// Makes the horizontal axis logarithmic. Call it before drawing; values of 0 and less are left out.
    /// </summary>
    public Chart LogarithmicX()
    {
        _logarithmicX = true;
        ChartStyle.Logarithmic(Plot.Axes.Bottom);
        return this;
    }

    /// <summary>
    /// Makes the vertical axis logarithmic. Call it before drawing; values of 0 and less are left out.
    /// </summary>
    public Chart LogarithmicY()
    {
        _logarithmicY = true;
        ChartStyle.Logarithmic(Plot.Axes.Left);
        return this;
    }

    /// <summary>Draws a line through points.</summary>
    /// <param name="name">Name in the legend; empty for a line that continues an earlier series.</param>
    /// <param name="xs">Horizontal places.</param>
    /// <param name="ys">Values, one for each place.</param>
    /// <param name="color">Index for <see cref="Palette.Series"/>.</param>
    /// <param name="markers">Whether each point has a mark too.</param>
    /// <param name="dashed">Whether the line is dashed.</param>
    public Chart Line(
        string name,
        IReadOnlyList<double> xs,
        IReadOnlyList<double> ys,
        int color,
        bool markers = false,
        bool dashed = false
    )
    {
        Coordinates[] places = Places(xs, ys);
        _series.Add(new ChartSeries(name, color, Points(xs, ys), dashed));
        if (places.Length == 0)
            return this;
        var line = Plot.Add.Scatter(places, Palette.Series(color));
        line.LineWidth = 2;
        line.MarkerSize = markers || places.Length == 1 ? 7 : 0;
        if (dashed)
            line.LinePattern = LinePattern.Dashed;
        return this;
    }

    /// <summary>Draws points without a line.</summary>
    /// <inheritdoc cref="Line"/>
    public Chart Scatter(string name, IReadOnlyList<double> xs, IReadOnlyList<double> ys, int color)
    {
        Coordinates[] places = Places(xs, ys);
        _series.Add(new ChartSeries(name, color, Points(xs, ys)));
        if (places.Length == 0)
            return this;
        var points = Plot.Add.ScatterPoints(places, Palette.Series(color));
        points.MarkerSize = 8;
        return this;
    }

    /// <summary>Fills the area between two lines, in the color of its series.</summary>
    /// <param name="xs">Horizontal places.</param>
    /// <param name="low">Lower ends, one for each place.</param>
    /// <param name="high">Upper ends, one for each place.</param>
    /// <param name="color">Index for <see cref="Palette.Series"/>.</param>
    public Chart Band(IReadOnlyList<double> xs, IReadOnlyList<double> low, IReadOnlyList<double> high, int color)
    {
        int[] finite = [.. Enumerable.Range(0, xs.Count).Where(i => IsDrawn(xs[i], low[i]) && IsDrawn(xs[i], high[i]))];
        if (finite.Length < 2)
            return this;
        var band = Plot.Add.FillY(
            [.. finite.Select(i => X(xs[i]))],
            [.. finite.Select(i => Y(low[i]))],
            [.. finite.Select(i => Y(high[i]))]
        );
        band.FillColor = Palette.Series(color).WithAlpha(0.22);
        band.LineWidth = 0;
        band.MarkerStyle.IsVisible = false;
        return this;
    }

    /// <summary>Draws a horizontal line across the chart: a limit, a target.</summary>
    /// <param name="y">The value.</param>
    /// <param name="text">Text in the legend.</param>
    public Chart Limit(double y, string text)
    {
        if (!IsDrawn(1, y))
            return this;
        HorizontalLine line = Plot.Add.HorizontalLine(Y(y), 1.5f, Palette.Muted, LinePattern.Dotted);
        line.LabelStyle.IsVisible = false;
        _series.Add(new ChartSeries(text, -1, [("everywhere", y)], IsDashed: true));
        return this;
    }

    /// <summary>Draws bars in groups, or stacked.</summary>
    /// <param name="categories">Names below the groups.</param>
    /// <param name="groups">For each series, its name and one value for each category.</param>
    /// <param name="stacked">Whether to stack a category's bars.</param>
    /// <param name="spread">Length of the error bar up and down from the bar's end, for each series and category; null
    /// for none.</param>
    public Chart Bars(
        IReadOnlyList<string> categories,
        IReadOnlyList<(string Name, double[] Values)> groups,
        bool stacked = false,
        double[][]? spread = null
    )
    {
        double width = stacked ? 0.6 : 0.8 / groups.Count;
        var tops = new double[categories.Count];
        for (int g = 0; g < groups.Count; g++)
        {
            (string name, double[] values) = groups[g];
            _series.Add(new ChartSeries(name, g, [.. categories.Zip(values)]));
            for (int c = 0; c < categories.Count; c++)
            {
                if (!double.IsFinite(values[c]))
                    continue;
                var bar = new Bar
                {
                    Position = stacked ? c : c + (g - (groups.Count - 1) / 2.0) * width,
                    ValueBase = stacked ? tops[c] : 0,
                    Value = (stacked ? tops[c] : 0) + values[c],
                    Size = width * 0.92,
                    FillColor = Palette.Series(g),
                    LineWidth = 0,
                };
                tops[c] += values[c];
                Plot.Add.Bar(bar);
                if (spread is null || !(spread[g][c] > 0))
                    continue;
                var line = Plot.Add.Line(
                    bar.Position,
                    bar.Value - spread[g][c],
                    bar.Position,
                    bar.Value + spread[g][c]
                );
                (line.Color, line.LineWidth, line.MarkerSize) = (Palette.Ink, 2, 0);
            }
        }
        Plot.Axes.Bottom.TickGenerator = new NumericManual(
            [.. categories.Select((_, c) => (double)c)],
            [.. categories]
        );
        Plot.Axes.Margins(bottom: 0);
        return this;
    }

    /// <summary>Makes the vertical axis begin at zero, so that lengths can be compared.</summary>
    public Chart FromZero()
    {
        Plot.Axes.Margins(bottom: 0);
        Plot.Axes.AutoScale();
        Plot.Axes.SetLimitsY(0, Math.Max(Plot.Axes.GetLimits().Top, 1e-12));
        return this;
    }

    /// <summary>Sets the ends of the vertical axis.</summary>
    public Chart LimitsY(double bottom, double top)
    {
        Plot.Axes.SetLimitsY(Y(bottom), Y(top));
        return this;
    }

    /// <summary>Writes the chart as an SVG file in light colors, with title and legend.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveSvg(string path) =>
        File.WriteAllText(path, ChartStyle.Whole(this, () => Plot.GetSvgXml(Width, Height + LegendHeight)));

    /// <summary>Writes the chart as a PNG file of twice the size in light colors, with title and legend.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SavePng(string path) =>
        ChartStyle.Whole(
            this,
            () =>
            {
                Plot.ScaleFactor = 2;
                Plot.SavePng(path, 2 * Width, 2 * (Height + LegendHeight));
                Plot.ScaleFactor = 1;
                return true;
            }
        );

    /// <summary>Writes NAME.svg and NAME.png into a folder, which is created if it is not there.</summary>
    /// <exception cref="IOException">They cannot be written.</exception>
    public void Save(string folder, string name)
    {
        Directory.CreateDirectory(folder);
        SaveSvg(Path.Combine(folder, name + ".svg"));
        SavePng(Path.Combine(folder, name + ".png"));
    }

    /// <summary>The picture for a page, without title and legend: the page writes those.</summary>
    /// <param name="id">Prefix of names in the picture; each picture of a page needs another.</param>
    internal string InlineSvg(string id) =>
        InlinePicture.Of(Plot.GetSvgXml(Width, Height), id, $"{Title}. {YLabel} by {XLabel}.");

    private int LegendHeight => 26 * ((_series.Count(series => series.Name.Length > 0) + 1) / 2) + 24;

    private bool IsDrawn(double x, double y) =>
        double.IsFinite(x) && double.IsFinite(y) && (!_logarithmicX || x > 0) && (!_logarithmicY || y > 0);

    private double X(double x) => _logarithmicX ? Math.Log10(x) : x;

    private double Y(double y) => _logarithmicY ? Math.Log10(y) : y;

    private Coordinates[] Places(IReadOnlyList<double> xs, IReadOnlyList<double> ys) =>
        [
            .. xs.Zip(ys)
                .Where(point => IsDrawn(point.First, point.Second))
                .Select(point => new Coordinates(X(point.First), Y(point.Second))),
        ];

    private static IReadOnlyList<(string, double)> Points(IReadOnlyList<double> xs, IReadOnlyList<double> ys) =>
        [.. xs.Zip(ys).Select(point => (point.First.ToString("G6", CultureInfo.InvariantCulture), point.Second))];
}
