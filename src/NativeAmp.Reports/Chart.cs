using System.Globalization;
using ScottPlot;
using ScottPlot.Plottables;
using ScottPlot.TickGenerators;

namespace NativeAmp.Reports;

/// <summary>
/// A chart in the house's style, drawn by ScottPlot: as a file of its own (SVG, PNG, with a legend in it) or inside an
/// <see cref="HtmlPage"/>, which follows the reader's light or dark page and writes the legend itself. Points that are
/// not finite are left out. One thread at a time.
/// </summary>
public sealed class Chart
{
    // Small, with large letters: on a telephone 400 pixels wide a picture shrinks to three quarters, and must still be
    // read.
    private const int Width = 480,
        Height = 320;
    private const float FontSize = 14;

    private readonly List<ChartSeries> _series = [];
    private bool _logarithmicX,
        _logarithmicY;

    /// <summary>A chart without anything in it.</summary>
    /// <param name="title">What it shows, above it.</param>
    /// <param name="xLabel">What the horizontal axis is, with its unit.</param>
    /// <param name="yLabel">What the vertical axis is, with its unit.</param>
    public Chart(string title, string xLabel, string yLabel)
    {
        (Title, XLabel, YLabel) = (title, xLabel, yLabel);
        ChartStyle.Apply(Plot, xLabel, yLabel, FontSize);
    }

    /// <summary>What it shows.</summary>
    public string Title { get; }

    /// <summary>What the horizontal axis is.</summary>
    public string XLabel { get; }

    /// <summary>What the vertical axis is.</summary>
    public string YLabel { get; }

    /// <summary>What has been drawn.</summary>
    public IReadOnlyList<ChartSeries> Series => _series;

    /// <summary>
    /// ScottPlot's plot, for what this class does not draw; colors from <see cref="Palette"/> follow the page.
    /// </summary>
    public Plot Plot { get; } = new();

    /// <summary>
    /// Powers of ten along the horizontal axis. Before anything is drawn; values of 0 and less are left out.
    /// </summary>
    public Chart LogarithmicX()
    {
        _logarithmicX = true;
        ChartStyle.Logarithmic(Plot.Axes.Bottom);
        return this;
    }

    /// <summary>
    /// Powers of ten along the vertical axis. Before anything is drawn; values of 0 and less are left out.
    /// </summary>
    public Chart LogarithmicY()
    {
        _logarithmicY = true;
        ChartStyle.Logarithmic(Plot.Axes.Left);
        return this;
    }

    /// <summary>A line through points.</summary>
    /// <param name="name">For the legend; empty for a line that belongs to one before.</param>
    /// <param name="xs">Horizontal places.</param>
    /// <param name="ys">Values, as many.</param>
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

    /// <summary>Points without a line.</summary>
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

    /// <summary>The area between two lines, in the color of the series that it belongs to.</summary>
    /// <param name="xs">Horizontal places.</param>
    /// <param name="low">Lower ends, as many.</param>
    /// <param name="high">Upper ends, as many.</param>
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

    /// <summary>A line at a value, across the chart: a limit, a target.</summary>
    /// <param name="y">Where.</param>
    /// <param name="text">For the legend.</param>
    public Chart Limit(double y, string text)
    {
        if (!IsDrawn(1, y))
            return this;
        HorizontalLine line = Plot.Add.HorizontalLine(Y(y), 1.5f, Palette.Muted, LinePattern.Dotted);
        line.LabelStyle.IsVisible = false;
        _series.Add(new ChartSeries(text, -1, [("everywhere", y)], IsDashed: true));
        return this;
    }

    /// <summary>Bars in groups, or stacked.</summary>
    /// <param name="categories">Names below the groups.</param>
    /// <param name="groups">For each series its name and a value a category.</param>
    /// <param name="stacked">Whether a category's bars stand on each other.</param>
    /// <param name="spread">For each series and category, what is drawn up and down from the bar's end; null for
    /// none.</param>
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

    /// <summary>The vertical axis begins at zero, as lengths that are compared need it.</summary>
    public Chart FromZero()
    {
        Plot.Axes.Margins(bottom: 0);
        Plot.Axes.AutoScale();
        Plot.Axes.SetLimitsY(0, Math.Max(Plot.Axes.GetLimits().Top, 1e-12));
        return this;
    }

    /// <summary>The ends of the vertical axis.</summary>
    public Chart LimitsY(double bottom, double top)
    {
        Plot.Axes.SetLimitsY(Y(bottom), Y(top));
        return this;
    }

    /// <summary>Writes it as an SVG file, with title and legend, light.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveSvg(string path) =>
        File.WriteAllText(path, ChartStyle.Whole(this, () => Plot.GetSvgXml(Width, Height + LegendHeight)));

    /// <summary>Writes it as a PNG file, twice the size, with title and legend, light.</summary>
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

    /// <summary>Writes NAME.svg and NAME.png into a folder, which is made if it is not there.</summary>
    /// <exception cref="IOException">They cannot be written.</exception>
    public void Save(string folder, string name)
    {
        Directory.CreateDirectory(folder);
        SaveSvg(Path.Combine(folder, name + ".svg"));
        SavePng(Path.Combine(folder, name + ".png"));
    }

    /// <summary>The picture for a page: without title and legend, which are the page's.</summary>
    /// <param name="id">A prefix for what is named in it, another for each picture of a page.</param>
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
