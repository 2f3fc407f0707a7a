using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace NativeAmp.Cli.Output;

/// <summary>
/// Options that are numbers in a range. The parser refuses a number outside, with the range in the message.
/// </summary>
internal static class NumberOption
{
    /// <summary>A whole number; null if it is not given.</summary>
    public static Option<T?> Whole<T>(string name, T least, T most, string description)
        where T : struct, IBinaryInteger<T> =>
        new(name)
        {
            Description = description,
            HelpName = "N",
            CustomParser = result => ParseWhole(result, name, least, most, aside: ""),
        };

    /// <summary>A whole number with a default.</summary>
    /// <param name="name">The option.</param>
    /// <param name="fallback">Its default value.</param>
    /// <param name="least">Its least value.</param>
    /// <param name="most">Its largest value.</param>
    /// <param name="description">Text of the help.</param>
    /// <param name="aside">Text after the range, such as the meaning of 0.</param>
    public static Option<T> Whole<T>(string name, T fallback, T least, T most, string description, string aside = "")
        where T : struct, IBinaryInteger<T> =>
        new(name)
        {
            Description = description,
            HelpName = "N",
            DefaultValueFactory = _ => fallback,
            CustomParser = result => ParseWhole(result, name, least, most, aside) ?? fallback,
        };

    /// <summary>A number of a range; null if it is not given.</summary>
    public static Option<double?> Real(string name, RealRange range, string description) =>
        new(name)
        {
            Description = description,
            HelpName = "N",
            CustomParser = result => ParseReal(result, name, range),
        };

    /// <summary>A number of a range with a default.</summary>
    public static Option<double> Real(string name, double fallback, RealRange range, string description) =>
        new(name)
        {
            Description = description,
            HelpName = "N",
            DefaultValueFactory = _ => fallback,
            CustomParser = result => ParseReal(result, name, range) ?? fallback,
        };

    private static T? ParseWhole<T>(ArgumentResult result, string name, T least, T most, string aside)
        where T : struct, IBinaryInteger<T>
    {
        string text = result.Tokens.Single().Value;
        if (
            Int128.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out Int128 value)
            && value >= Int128.CreateChecked(least)
            && value <= Int128.CreateChecked(most)
        )
            return T.CreateChecked(value);
        result.AddError(
            Message(name, text, FormattableString.Invariant($"a whole number from {least} to {most}{aside}"))
        );
        return null;
    }

    private static double? ParseReal(ArgumentResult result, string name, RealRange range)
    {
        string text = result.Tokens.Single().Value;
        if (TryParse(text) is { } value && range.Contains(value))
            return value;
        result.AddError(Message(name, text, range.Text));
        return null;
    }

    /// <summary>
    /// The value, or null if the text is not a number or a double cannot hold it: it must not silently become 0 or
    /// infinity.
    /// </summary>
    private static double? TryParse(string text)
    {
        if (text.ToLowerInvariant() is "inf" or "+inf" or "infinity" or "+infinity")
            return double.PositiveInfinity;
        if (
            !double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            || !double.IsFinite(value)
        )
            return null;
        bool saysZero = text.Split('e', 'E')[0].All(c => c is < '1' or > '9');
        return value == 0 && !saysZero ? null : value;
    }

    private static string Message(string name, string text, string range) =>
        $"{name} is {(string.IsNullOrWhiteSpace(text) ? $"'{text}'" : text)}; it is {range}.";
}

/// <summary>The range of an option's numbers.</summary>
/// <param name="Least">The smallest number above 0.</param>
/// <param name="Most">The largest finite number.</param>
/// <param name="Text">The range in words.</param>
/// <param name="Zero">Whether 0 is allowed.</param>
/// <param name="Infinity">Whether infinity is allowed.</param>
internal sealed record RealRange(double Least, double Most, string Text, bool Zero = false, bool Infinity = false)
{
    public bool Contains(double value) =>
        (value >= Least && value <= Most) || (Zero && value == 0) || (Infinity && double.IsPositiveInfinity(value));
}
