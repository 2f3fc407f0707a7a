using System.Globalization;
using NativeAmp.Planning;

namespace NativeAmp.Cli.Study;

/// <summary>Formats numbers for a report.</summary>
internal static class Words
{
    /// <summary>A number with three significant digits, without an exponent.</summary>
    public static string Number(double value)
    {
        if (!double.IsFinite(value))
            return "-";
        double size = Math.Abs(value);
        int digits = size is 0 or >= 100 ? 0 : Math.Min(6, 2 - (int)Math.Floor(Math.Log10(size)));
        return value.ToString("F" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }

    /// <summary>Bytes in mebibytes.</summary>
    public static string Mebibytes(double bytes) =>
        double.IsFinite(bytes) ? Number(bytes / BinaryUnits.MiB) + " MiB" : "-";

    /// <summary>A value with its interval: "1.42 (1.38 to 1.47)".</summary>
    public static string WithInterval(Estimate estimate) => WithInterval(estimate, Number);

    /// <summary>A value with its interval, in a given format.</summary>
    public static string WithInterval(Estimate estimate, Func<double, string> text) =>
        !double.IsFinite(estimate.Value)
            ? "-"
            : text(estimate.Value) + (estimate.HasInterval ? $" ({text(estimate.Low)} to {text(estimate.High)})" : "");

    /// <summary>A difference of accuracies in percentage points, with its sign.</summary>
    public static string Points(double difference) =>
        (100 * difference).ToString("+0.00;-0.00;0.00", CultureInfo.InvariantCulture);

    /// <summary>A difference of losses, with its sign.</summary>
    public static string LossDifference(double difference) =>
        difference.ToString("+0.0000;-0.0000;0.0000", CultureInfo.InvariantCulture);

    /// <summary>A number of runs: "one run", "3 runs".</summary>
    public static string Runs(int count) =>
        count == 1 ? "one run" : string.Create(CultureInfo.InvariantCulture, $"{count} runs");

    /// <summary>A precision in words.</summary>
    public static string Precision(string name) => name.ToUpperInvariant();
}
