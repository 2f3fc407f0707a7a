using System.Globalization;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Inspect;

/// <summary>Figures of an inspection in words.</summary>
internal static class FigureText
{
    /// <summary>A share in percent, never rounded to 0 or to 100.</summary>
    public static string Share(long part, long whole)
    {
        if (part == 0 || whole == 0)
            return "0";
        double percent = 100.0 * part / whole;
        return part == whole ? "100 %"
            : percent < 0.01 ? "<0.01 %"
            : percent > 99.99 ? ">99.99 %"
            : percent.ToString(percent is < 10 or > 99 ? "0.##" : "0.#", CultureInfo.InvariantCulture) + " %";
    }

    public static string Power(int exponent) => string.Create(CultureInfo.InvariantCulture, $"2^{exponent}");

    /// <summary>The range of the numbers in powers of two.</summary>
    public static string Range(TensorReport tensor) =>
        tensor.Values == 0 ? "–"
        : tensor.Exponents.Count == 1 ? Power(tensor.FirstExponent)
        : $"{Power(tensor.FirstExponent)} … {Power(tensor.FirstExponent + tensor.Exponents.Count - 1)}";

    public static string Decibels(double? decibels, bool exact) =>
        exact ? "exact"
        : decibels is { } value ? value.ToString("0.#", CultureInfo.InvariantCulture) + " dB"
        : "–";

    /// <summary>A format's figures in a cell: first the numbers that are lost, else the precision.</summary>
    public static string Cell(TensorReport tensor, FormatReport format)
    {
        if (tensor.Values == 0)
            return "–";
        List<string> parts = [];
        if (format.Overflow > 0)
            parts.Add($"over {Share(format.Overflow, tensor.Values)}");
        if (format.Underflow > 0)
            parts.Add($"zero {Share(format.Underflow, tensor.Values)}");
        if (format.Subnormal > 0)
            parts.Add($"sub {Share(format.Subnormal, tensor.Values)}");
        if (parts.Count == 0 || (format.Overflow == 0 && parts.Count == 1))
            parts.Insert(0, Decibels(format.SnrDb, format.Exact));
        return string.Join(", ", parts);
    }

    public static string NotFinite(TensorReport tensor) =>
        tensor is { NaN: 0, Inf: 0 }
            ? ""
            : string.Join(
                ", ",
                (
                    (string[])
                        [
                            tensor.NaN > 0 ? $"{Number(tensor.NaN)} nan" : "",
                            tensor.Inf > 0 ? $"{Number(tensor.Inf)} inf" : "",
                        ]
                ).Where(text => text.Length > 0)
            );

    /// <summary>A name from a file, without control characters.</summary>
    public static string Name(TensorReport tensor) => Terminal.Printable(tensor.Name);

    public static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>
    /// A mark for how a format holds numbers of these powers of two: in full precision (█), as subnormals (░), or not
    /// at all (·).
    /// </summary>
    public static char Mark(NumberFormat format, int low, int high) =>
        low > format.MaxExponent || high < format.SmallestExponent ? '·'
        : high >= format.MinExponent ? '█'
        : '░';

    /// <summary>
    /// A histogram over powers of two in small columns. Below are the ranges that formats hold in full precision (█)
    /// and as subnormals (░).
    /// </summary>
    public static IEnumerable<string> Histogram(TensorReport tensor, IReadOnlyList<NumberFormat> formats)
    {
        if (tensor.Values == 0)
            yield break;
        const int mostColumns = 60;
        const string heights = "▁▂▃▄▅▆▇█";
        // Some room to the right shows how far the formats reach.
        int first = tensor.FirstExponent;
        int end = Math.Max(first + tensor.Exponents.Count, Math.Min(17, first + mostColumns));
        int step = (end - first + mostColumns - 1) / mostColumns;
        int columns = (end - first + step - 1) / step;
        long[] counts = new long[columns];
        for (int i = 0; i < tensor.Exponents.Count; i++)
            counts[i / step] += tensor.Exponents[i];
        long most = counts.Max();
        yield return $"{"values", -9} "
            + $"{string.Concat(counts.Select(count => count == 0 ? ' ' : heights[(int)(7 * ((double)count / most))]))}";
        foreach (NumberFormat format in formats)
        {
            yield return $"{format.Name, -9} "
                + string.Concat(
                    Enumerable
                        .Range(0, columns)
                        .Select(column =>
                        {
                            int low = first + column * step,
                                high = low + step - 1;
                            return Mark(format, low, high);
                        })
                );
        }

        string left = Power(first),
            right = Power(end - 1);
        yield return $"{"", -9} {left}{right.PadLeft(Math.Max(right.Length + 1, columns - left.Length))}";
    }
}
