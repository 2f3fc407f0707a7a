using System.Globalization;

namespace NativeAmp.Cli.Output;

/// <summary>Formats shares as percentages; "-" if there is none.</summary>
internal static class Percentage
{
    /// <summary>With one digit.</summary>
    public static string Of(double share) => Text(share, "0.0");

    /// <summary>With two digits, for accuracies.</summary>
    public static string Fine(double share) => Text(share, "0.00");

    private static string Text(double share, string format) =>
        double.IsFinite(share) ? (100 * share).ToString(format, CultureInfo.InvariantCulture) + " %" : "-";
}
