using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace NativeAmp;

/// <summary>Reads numbers as people type them.</summary>
internal static partial class ExactNumberParser
{
    // Far past every format's range, and still cheap to compute with.
    private const int MostDigits = 1000;
    private const int MostExponent = 5000;

    private const string Expected = "a number such as 0.1, 65520, 1e-8, -0, 0x1p-24, inf or nan";

    public static ExactNumber Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string trimmed = text.Trim().ToLowerInvariant();
        bool negative = trimmed.StartsWith('-');
        string body = negative || trimmed.StartsWith('+') ? trimmed[1..] : trimmed;
        if (body is "inf" or "infinity" or "∞")
            return ExactNumber.Infinity(negative);
        if (body == "nan")
            return ExactNumber.NaN;
        if (body.Length > MostDigits)
            throw new FormatException(
                $"A number of {body.Length} characters is too long: it has at most {MostDigits}."
            );
        return Hexadecimal().Match(body) is { Success: true } hexadecimal ? Binary(text, negative, hexadecimal)
            : Number().Match(body) is { Success: true } number ? Decimal(text, negative, number)
            : throw new FormatException(
                HexadecimalInteger().IsMatch(body)
                    ? $"'{text}' can mean a number or bits: write {body}p0 for the number, or a format before the "
                        + $"bits, such as fp16:{body}."
                    : $"'{text}' is no number; it is {Expected}."
            );
    }

    // .NET's own parser reads only the digits: the rest of it would round.
    private static ExactNumber Decimal(string text, bool negative, Match match)
    {
        string whole = match.Groups["whole"].Value,
            fraction = match.Groups["fraction"].Value;
        int exponent = Exponent(text, match) - fraction.Length;
        return ExactNumber.Decimal(
            negative,
            BigInteger.Parse("0" + whole + fraction, CultureInfo.InvariantCulture),
            exponent
        );
    }

    private static ExactNumber Binary(string text, bool negative, Match match)
    {
        string whole = match.Groups["whole"].Value,
            fraction = match.Groups["fraction"].Value;
        int exponent = Exponent(text, match) - 4 * fraction.Length;
        // The leading zero keeps the first bit from being read as a sign.
        return ExactNumber.Binary(
            negative,
            BigInteger.Parse("0" + whole + fraction, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
            exponent
        );
    }

    private static int Exponent(string text, Match match)
    {
        string exponent = match.Groups["exponent"].Value;
        if (exponent.Length == 0)
            return 0;
        return
            int.TryParse(exponent, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value)
            && Math.Abs((long)value) <= MostExponent
            ? value
            : throw new FormatException($"The exponent of '{text}' is too large: it is at most {MostExponent}.");
    }

    [GeneratedRegex(
        @"^(?=\.?[0-9])(?<whole>[0-9]*)(\.(?<fraction>[0-9]*))?(e(?<exponent>[+-]?[0-9]+))?$",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant
    )]
    private static partial Regex Number();

    [GeneratedRegex(
        @"^0x(?=\.?[0-9a-f])(?<whole>[0-9a-f]*)(\.(?<fraction>[0-9a-f]*))?p(?<exponent>[+-]?[0-9]+)$",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant
    )]
    private static partial Regex Hexadecimal();

    [GeneratedRegex("^0x[0-9a-f]+$", RegexOptions.CultureInvariant)]
    private static partial Regex HexadecimalInteger();
}
