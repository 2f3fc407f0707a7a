using System.Globalization;

namespace NativeAmp.Cli.Bench;

/// <summary>Numbers of the tables.</summary>
internal static class BenchFigures
{
    /// <summary>Three digits for every size.</summary>
    public static string Of(double value) =>
        value.ToString(
            value >= 100 ? "0"
                : value >= 10 ? "0.0"
                : value >= 1 ? "0.00"
                : "0.0000",
            CultureInfo.InvariantCulture
        );

    /// <summary>The same; nothing for null.</summary>
    public static string OrNone(double? value) => value is { } given ? Of(given) : "";

    /// <summary>Two decimals; nothing for null.</summary>
    public static string Fraction(double? value) => value?.ToString("0.00", CultureInfo.InvariantCulture) ?? "";
}
