using System.Globalization;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Plan;

/// <summary>The value of --sweep: params=1e9:1e13.</summary>
internal readonly record struct SweepRange(double Least, double Most)
{
    private const double LeastParameters = 1e6,
        MostParameters = 1e14;

    /// <exception cref="UsageException">The text has another form.</exception>
    public static SweepRange Parse(string text)
    {
        string[] ends = text.StartsWith("params=", StringComparison.Ordinal) ? text["params=".Length..].Split(':') : [];
        if (ends.Length == 2 && Number(ends[0]) is { } least && Number(ends[1]) is { } most && least <= most)
            return new(least, most);
        throw new UsageException(
            $"--sweep is '{text}'; it is params=LEAST:MOST, from 1e6 to 1e14, such as params=1e9:1e13."
        );
    }

    private static double? Number(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
        && value is >= LeastParameters and <= MostParameters
            ? value
            : null;
}
