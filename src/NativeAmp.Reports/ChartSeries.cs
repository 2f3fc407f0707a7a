namespace NativeAmp.Reports;

/// <summary>A series of a chart: its name, its color, and its points for a table.</summary>
/// <param name="Name">Name in the legend; empty if the series has no entry.</param>
/// <param name="ColorIndex">Index for <see cref="Palette.Series"/>; below 0 for a reference line.</param>
/// <param name="Points">Horizontal place, as text, and value.</param>
/// <param name="IsDashed">Whether its line is dashed.</param>
public sealed record ChartSeries(
    string Name,
    int ColorIndex,
    IReadOnlyList<(string X, double Y)> Points,
    bool IsDashed = false
);
