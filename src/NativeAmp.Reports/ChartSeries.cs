namespace NativeAmp.Reports;

/// <summary>A series of a chart: its name, its color, and its points for those who read numbers.</summary>
/// <param name="Name">As the legend says it; empty where the series has no entry of its own.</param>
/// <param name="ColorIndex">For <see cref="Palette.Series"/>; below 0 for a line of reference.</param>
/// <param name="Points">Horizontal place, as text, and value.</param>
/// <param name="IsDashed">Whether its line is dashed.</param>
public sealed record ChartSeries(
    string Name,
    int ColorIndex,
    IReadOnlyList<(string X, double Y)> Points,
    bool IsDashed = false
);
