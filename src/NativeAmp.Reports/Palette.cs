using System.Text;
using ScottPlot;

namespace NativeAmp.Reports;

/// <summary>
/// The colors of charts and pages, each for a light and a dark page. A chart is drawn in light colors, and a page
/// recolors it by rules of its style sheet. So nothing else may use these colors.
/// </summary>
public static class Palette
{
    // Contrast with the page: text 7:1 or more, muted text and series 4.5:1 or more (WCAG 2.2, 1.4.3 and 1.4.11).
    private static readonly PageColor[] All =
    [
        new("ink", "#1B1F24", "#E9EBEE"),
        new("muted", "#525B66", "#A9B2BD"),
        new("grid", "#D9DFE5", "#363D46"),
        new("series-0", "#1F6BC9", "#74AEFF"),
        new("series-1", "#B9510A", "#FF9E58"),
        new("series-2", "#17774A", "#53C891"),
        new("series-3", "#7848BF", "#BBA1FF"),
        new("series-4", "#BC2F36", "#FF8783"),
        new("series-5", "#0B7484", "#4FC8D9"),
        new("series-6", "#835603", "#DAAE52"),
        new("series-7", "#AD2D78", "#FF90C8"),
    ];

    /// <summary>Number of colors of series; <see cref="Series"/> then begins anew.</summary>
    public static int SeriesCount { get; } =
        All.Count(color => color.Name.StartsWith("series", StringComparison.Ordinal));

    /// <summary>Color of text and axes.</summary>
    public static Color Ink { get; } = Of("ink");

    /// <summary>Color of less important text and reference lines.</summary>
    public static Color Muted { get; } = Of("muted");

    /// <summary>Color of grids.</summary>
    public static Color Grid { get; } = Of("grid");

    /// <summary>The color of a series.</summary>
    /// <param name="index">0 or more.</param>
    public static Color Series(int index) => Of($"series-{index % SeriesCount}");

    /// <summary>The CSS class of elements in the color of a series.</summary>
    internal static string SeriesClass(int index) => $"series-{index % SeriesCount}";

    /// <summary>
    /// Custom properties of the light page, rules that put them on the charts' marks, and the properties of the dark
    /// page.
    /// </summary>
    internal static string StyleSheet()
    {
        var css = new StringBuilder(":root {").Append(Properties(color => color.Light)).Append("}\n");
        foreach (PageColor color in All)
        {
            css.Append($".chart [fill=\"{color.Light}\"] {{ fill: var(--{color.Name}); }}\n");
            css.Append($".chart [stroke=\"{color.Light}\"] {{ stroke: var(--{color.Name}); }}\n");
            if (color.Name.StartsWith("series", StringComparison.Ordinal))
                css.Append($".{color.Name} {{ color: var(--{color.Name}); }}\n");
        }
        // Print in light colors.
        return css.Append("@media screen and (prefers-color-scheme: dark) { :root {")
            .Append(Properties(color => color.Dark))
            .Append("} }\n")
            .ToString();
    }

    private static string Properties(Func<PageColor, string> value) =>
        string.Concat(All.Select(color => $" --{color.Name}: {value(color)};"));

    private static Color Of(string name) => Color.FromHex(All.First(color => color.Name == name).Light);

    private sealed record PageColor(string Name, string Light, string Dark);
}
