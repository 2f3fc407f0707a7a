using System.Globalization;

namespace NativeAmp.Training;

/// <summary>
/// Numbers in columns by PyTorch's rules: "1." if all are integers, else four digits, with an exponent if they are of
/// very different or very small sizes.
/// </summary>
internal sealed class NumberText
{
    private const double LargestRatio = 1000;
    private const double LargestWithoutExponent = 1e8;
    private const double SmallestWithoutExponent = 1e-4;

    private readonly string _format;
    private readonly bool _hasPoint;

    /// <param name="values">The numbers; they decide on the form and the width.</param>
    /// <param name="isFloatingPoint">Whether their dtype is.</param>
    public NumberText(IReadOnlyCollection<double> values, bool isFloatingPoint)
    {
        double[] counted = isFloatingPoint
            ? [.. values.Where(value => double.IsFinite(value) && value != 0)]
            : [.. values];
        bool areIntegers = !isFloatingPoint || counted.All(value => value == Math.Ceiling(value));
        bool needExponent = isFloatingPoint && counted.Length > 0 && NeedExponent(counted, areIntegers);
        _format =
            needExponent ? "0.0000e+00"
            : areIntegers ? "F0"
            : "F4";
        _hasPoint = isFloatingPoint && areIntegers && !needExponent;
        Width = 1;
        foreach (double value in counted)
            Width = Math.Max(Width, Format(value).Length);
    }

    /// <summary>Characters of the widest number.</summary>
    public int Width { get; }

    /// <summary>A number, with blanks in front.</summary>
    public string Format(double value)
    {
        string text =
            double.IsNaN(value) ? "nan"
            : double.IsInfinity(value) ? (value < 0 ? "-inf" : "inf")
            : value.ToString(_format, CultureInfo.InvariantCulture) + (_hasPoint ? "." : "");
        return text.PadLeft(Width);
    }

    private static bool NeedExponent(double[] values, bool areIntegers)
    {
        double largest = values.Max(Math.Abs);
        double smallest = values.Min(Math.Abs);
        return largest / smallest > LargestRatio
            || largest > LargestWithoutExponent
            || (!areIntegers && smallest < SmallestWithoutExponent);
    }
}
