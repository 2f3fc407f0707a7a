using System.Text.Encodings.Web;
using System.Text.RegularExpressions;

namespace NativeAmp.Reports;

/// <summary>Makes an SVG file part of a page.</summary>
internal static partial class InlinePicture
{
    [GeneratedRegex(
        """\bid="([^"]+)"|url\(#([^)]+)\)|href="#([^"]+)"|stroke="#[0-9A-Fa-f]{6}"|fill="#[0-9A-Fa-f]{6}"|>\s+<"""
    )]
    private static partial Regex Rewritten();

    [GeneratedRegex("""^<svg[^>]*?width="([0-9.]+)"\s+height="([0-9.]+)"[^>]*>""")]
    private static partial Regex Opening();

    /// <summary>
    /// Names get a prefix, because all of Skia's pictures name their clip paths cl_1 and so on. The size becomes a view
    /// box, so that the picture is as wide as its place. A description in words is added for screen readers.
    /// </summary>
    public static string Of(string svg, string prefix, string description)
    {
        svg = svg[svg.IndexOf("<svg", StringComparison.Ordinal)..];
        svg = Rewritten()
            .Replace(
                svg,
                match =>
                    match.Value switch
                    {
                        ['>', ..] => "><",
                        ['s', ..] or ['f', ..] => match
                            .Value.ToUpperInvariant()
                            .Replace("STROKE", "stroke", StringComparison.Ordinal)
                            .Replace("FILL", "fill", StringComparison.Ordinal),
                        _ when match.Groups[1].Success => $"id=\"{prefix}{match.Groups[1].Value}\"",
                        _ when match.Groups[2].Success => $"url(#{prefix}{match.Groups[2].Value})",
                        _ => $"href=\"#{prefix}{match.Groups[3].Value}\"",
                    }
            );
        return Opening()
            .Replace(
                svg,
                match =>
                    $"""<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {match.Groups[1].Value} {match.Groups[2].Value}" role="img" aria-label="{HtmlEncoder.Default.Encode(description)}">"""
            );
    }
}
