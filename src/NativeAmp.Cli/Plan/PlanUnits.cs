using System.Globalization;
using NativeAmp.Planning;

namespace NativeAmp.Cli.Plan;

/// <summary>Formats numbers with three digits and a unit.</summary>
internal static class PlanUnits
{
    private static readonly (double Size, string Name)[] Counts =
    [
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
    ];
    private static readonly (double Size, string Name)[] Times =
    [
        (86400, "d"),
        (3600, "h"),
        (60, "min"),
        (1, "s"),
        (1e-3, "ms"),
    ];

    public static string GiB(double bytes) => $"{Digits(bytes / BinaryUnits.GiB)} GiB";

    /// <summary>
    /// Formats numbers of parameters and tokens. Names of models say 175B (billion), so the unit is B and not G.
    /// </summary>
    public static string Count(double value)
    {
        foreach ((double size, string name) in Counts)
        {
            if (value >= size)
                return $"{Digits(value / size)} {(name == "G" ? "B" : name)}";
        }

        return Digits(value);
    }

    public static string Seconds(double seconds)
    {
        foreach ((double size, string name) in Times)
        {
            if (seconds >= size)
                return $"{Digits(seconds / size)} {name}";
        }

        return seconds == 0 ? "0 s" : Power(seconds) + " s";
    }

    public static string Power(double value) => value.ToString("0.00e+0", CultureInfo.InvariantCulture);

    public static string Whole(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    public static string Digits(double value) =>
        value >= 1e7
            ? Power(value)
            : value.ToString(
                value >= 100 ? "#,0"
                    : value >= 10 ? "0.0"
                    : value >= 0.01 || value == 0 ? "0.00"
                    : "0.0e+0",
                CultureInfo.InvariantCulture
            );
}
