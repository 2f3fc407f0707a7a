using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;

namespace NativeAmp.Reports;

/// <summary>
/// A report as one self-contained HTML file: no scripts, no network, with its pictures. It follows the reader's light
/// or dark setting, fits a phone, and prints. All text is encoded, so names from files cannot become markup.
/// </summary>
public sealed class HtmlPage
{
    // Points of a series shown under its picture; the files beside a report have all of them.
    private const int MostPointsOfASeries = 24;

    private readonly StringBuilder _body = new();
    private readonly string _title;
    private int _pictures;

    /// <summary>A page with just its title.</summary>
    /// <param name="title">Title of the page, and its first heading.</param>
    public HtmlPage(string title)
    {
        _title = title;
        _body.Append($"<h1>{Text(title)}</h1>\n");
    }

    /// <summary>Adds the summary, at the top of the page.</summary>
    public HtmlPage Lead(params IEnumerable<string> sentences)
    {
        _body.Append("<div class=\"lead\">\n");
        foreach (string sentence in sentences)
            _body.Append($"<p>{Text(sentence)}</p>\n");
        _body.Append("</div>\n");
        return this;
    }

    /// <summary>Adds a heading of the second level.</summary>
    public HtmlPage Section(string heading)
    {
        _body.Append($"<h2>{Text(heading)}</h2>\n");
        return this;
    }

    /// <summary>Adds a paragraph.</summary>
    public HtmlPage Paragraph(string text)
    {
        _body.Append($"<p>{Text(text)}</p>\n");
        return this;
    }

    /// <summary>Adds a note, such as how a figure was measured.</summary>
    public HtmlPage Note(string text)
    {
        _body.Append($"<p class=\"note\">{Text(text)}</p>\n");
        return this;
    }

    /// <summary>Adds a list of sentences.</summary>
    public HtmlPage List(params IEnumerable<string> items)
    {
        _body.Append("<ul>\n");
        foreach (string item in items)
            _body.Append($"<li>{Text(item)}</li>\n");
        _body.Append("</ul>\n");
        return this;
    }

    /// <summary>
    /// Adds a table. Columns of numbers are aligned to the right. A table too wide for the page scrolls by itself.
    /// </summary>
    /// <param name="caption">The caption.</param>
    /// <param name="columns">Headings.</param>
    /// <param name="rows">Cells, one for each column.</param>
    public HtmlPage Table(string caption, IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        IReadOnlyList<string>[] all = [.. rows];
        string[] kinds =
        [
            .. columns.Select((_, c) => all.Length > 0 && all.All(row => IsNumber(row[c])) ? " class=\"number\"" : ""),
        ];
        // A region that scrolls must be reachable by keyboard.
        _body.Append(
            "<div class=\"table\" tabindex=\"0\" role=\"region\" "
                + $"aria-label=\"{Text(caption)}\"><table><caption>{Text(caption)}</caption>\n<thead><tr>"
        );
        for (int c = 0; c < columns.Count; c++)
            _body.Append($"<th scope=\"col\"{kinds[c]}>{Text(columns[c])}</th>");
        _body.Append("</tr></thead>\n<tbody>\n");
        foreach (IReadOnlyList<string> row in all)
        {
            _body.Append("<tr>");
            for (int c = 0; c < columns.Count; c++)
                _body.Append($"<td{kinds[c]}>{Text(row[c])}</td>");
            _body.Append("</tr>\n");
        }
        _body.Append("</tbody></table></div>\n");
        return this;
    }

    /// <summary>
    /// Adds charts side by side as far as the page is wide enough, each with its legend and its numbers.
    /// </summary>
    public HtmlPage Figures(params IEnumerable<Chart> charts)
    {
        _body.Append("<div class=\"figures\">\n");
        foreach (Chart chart in charts)
            Figure(chart);
        _body.Append("</div>\n");
        return this;
    }

    /// <summary>Adds a part that the reader can open.</summary>
    /// <param name="summary">Its title.</param>
    /// <param name="write">Writes it on this page.</param>
    public HtmlPage Details(string summary, Action<HtmlPage> write)
    {
        _body.Append($"<details><summary>{Text(summary)}</summary>\n");
        write(this);
        _body.Append("</details>\n");
        return this;
    }

    /// <summary>The whole file.</summary>
    public override string ToString() =>
        $"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
            <link rel="icon" href="data:,">
            <title>{Text(_title)}</title>
            <style>
            {Palette.StyleSheet()}{PageStyle.Rules}
            </style>
            </head>
            <body>
            <main>
            {_body}</main>
            </body>
            </html>

            """;

    private void Figure(Chart chart)
    {
        _body.Append(
            $"<figure>\n<figcaption>{Text(chart.Title)}</figcaption>\n{chart.InlineSvg($"p{++_pictures}-")}\n"
        );
        ChartSeries[] named = [.. chart.Series.Where(series => series.Name.Length > 0)];
        if (named.Length > 0)
        {
            _body.Append("<ul class=\"legend\">");
            foreach (ChartSeries series in named)
            {
                string mark =
                    series.ColorIndex < 0
                        ? "limit"
                        : Palette.SeriesClass(series.ColorIndex) + (series.IsDashed ? " dashed" : "");
                _body.Append($"<li><span class=\"swatch {mark}\"></span>{Text(series.Name)}</li>");
            }
            _body.Append("</ul>\n");
        }
        Details("numbers", page => page.Numbers(chart));
        _body.Append("</figure>\n");
    }

    private void Numbers(Chart chart)
    {
        var rows =
            from series in chart.Series
            from point in Some(series.Points)
            select new[]
            {
                series.Name,
                point.X,
                double.IsFinite(point.Y) ? point.Y.ToString("G6", CultureInfo.InvariantCulture) : "none",
            };
        Table($"{chart.Title}: numbers", ["series", chart.XLabel, chart.YLabel], rows);
        if (chart.Series.Any(series => series.Points.Count > MostPointsOfASeries))
            Note($"Of longer series {MostPointsOfASeries} points, evenly spaced.");
    }

    private static IEnumerable<(string X, double Y)> Some(IReadOnlyList<(string X, double Y)> points) =>
        points.Count <= MostPointsOfASeries
            ? points
            : Enumerable
                .Range(0, MostPointsOfASeries)
                .Select(i => points[(int)((long)i * (points.Count - 1) / (MostPointsOfASeries - 1))]);

    private static bool IsNumber(string cell) =>
        cell is "" or "none" or "-" || char.IsAsciiDigit(cell.TrimStart('-', '+', '±').FirstOrDefault());

    private static string Text(string text) => HtmlEncoder.Default.Encode(text);
}
