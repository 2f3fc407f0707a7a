using System.Globalization;
using System.Text.Json.Serialization;

namespace NativeAmp.Cli.Formats;

/// <summary>
/// The facts of a format, as --json writes them. Every value of these formats fits a double, so that numbers are exact.
/// </summary>
internal sealed record FormatFacts(
    string Name,
    int Bits,
    int ExponentBits,
    int FractionBits,
    double Largest,
    double Least,
    double SmallestNormal,
    double SmallestAboveZero,
    double StepAtOne,
    double IntegersExactUpTo,
    int MaxExponent,
    int MinNormalExponent,
    int MinExponent,
    bool HasInfinity,
    [property: JsonPropertyName("has_nan")] bool HasNaN,
    string SpecialValues
)
{
    public static FormatFacts Of(NumberFormat format) =>
        new(
            format.Name,
            format.Bits,
            format.ExponentBits,
            format.FractionBits,
            format.Largest.ToDouble(),
            format.Least.ToDouble(),
            format.SmallestNormal.ToDouble(),
            format.Smallest.ToDouble(),
            format.StepAtOne.ToDouble(),
            format.IntegersExactUpTo.ToDouble(),
            format.MaxExponent,
            format.MinExponent,
            format.SmallestExponent,
            format.Specials == NativeAmp.SpecialValues.InfinityAndNaN,
            format.Specials is NativeAmp.SpecialValues.InfinityAndNaN or NativeAmp.SpecialValues.NaNOnly,
            Specials(format)
        );

    private static string Specials(NumberFormat format) =>
        format.Specials switch
        {
            NativeAmp.SpecialValues.InfinityAndNaN => "inf, nan",
            NativeAmp.SpecialValues.NaNOnly => "nan, no inf",
            _ => "no inf, no nan",
        };
}

/// <summary>A number in a format.</summary>
internal sealed record NumberFacts(
    string Format,
    string Sign,
    string Exponent,
    string Fraction,
    string Hex,
    string Stored,
    string? Error,
    double? RelativeError,
    string Outcome,
    string Meaning
)
{
    public static NumberFacts Of(NumberFormat format, ExactNumber number)
    {
        RoundedNumber rounded = format.Round(number);
        string bits = Convert.ToString(rounded.Code, 2).PadLeft(format.Bits, '0');
        ExactNumber? error = number.IsFinite && rounded.Value.IsFinite ? rounded.Value - number : null;
        return new NumberFacts(
            format.Name,
            bits[..1],
            bits[1..(1 + format.ExponentBits)],
            bits[(1 + format.ExponentBits)..],
            "0x" + rounded.Code.ToString("x", CultureInfo.InvariantCulture).PadLeft((format.Bits + 3) / 4, '0'),
            rounded.Value.ToString(),
            error?.ToString(),
            error is null || number.IsZero
                ? null
                : (error.Value.IsNegative == number.IsNegative ? 1 : -1) * ExactNumber.Ratio(error.Value, number),
            rounded.Outcome.ToString().ToLowerInvariant(),
            Describe(format, number, rounded)
        );
    }

    private static string Describe(NumberFormat format, ExactNumber number, RoundedNumber rounded) =>
        rounded.Outcome switch
        {
            RoundingOutcome.Exact => "exact",
            RoundingOutcome.Rounded => "rounded",
            RoundingOutcome.Subnormal => "subnormal: fewer significant bits",
            RoundingOutcome.Underflow => "underflow: becomes zero",
            RoundingOutcome.Overflow => !rounded.Value.IsFinite
                ? $"overflow: becomes {rounded.Value}, as the largest is {format.Largest.ToString(6)}"
                : $"overflow: clamped to {rounded.Value}",
            _ => number.IsNaN
                ? $"{format.Name} has no nan"
                : $"{format.Name} has no inf"
                    + (rounded.Value.IsNaN ? ": becomes nan" : $": clamped to {rounded.Value}"),
        };
}

/// <summary>A number to show in each format.</summary>
internal sealed record AskedNumber(string Number, string Value, IReadOnlyList<NumberFacts> Formats)
{
    /// <summary>Reads a number, or a format and bits (fp16:0x3c00).</summary>
    /// <exception cref="FormatException">It is neither.</exception>
    public static AskedNumber Read(string text)
    {
        ExactNumber number = text.Split(':', 2) is [var name, var bits]
            ? Decode(text, name, bits)
            : ExactNumber.Parse(text);
        return new AskedNumber(
            text,
            number.ToString(),
            [.. NumberFormat.All.Select(format => NumberFacts.Of(format, number))]
        );
    }

    private static ExactNumber Decode(string text, string name, string bits)
    {
        NumberFormat format =
            NumberFormat.Find(name)
            ?? throw new FormatException(
                $"'{text}' names the format '{name}'; it is one of "
                    + $"{string.Join(", ", NumberFormat.All.Select(known => known.Name))}."
            );
        bool hexadecimal = bits.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        bool binary = bits.StartsWith("0b", StringComparison.OrdinalIgnoreCase);
        NumberStyles style = binary ? NumberStyles.AllowBinarySpecifier : NumberStyles.AllowHexSpecifier;
        if (
            !(hexadecimal || binary)
            || !uint.TryParse(bits[2..], style, CultureInfo.InvariantCulture, out uint code)
            || (ulong)code >> format.Bits != 0
        )
            throw new FormatException(
                $"'{bits}' is not a code of {format.Name}; it is 0x or 0b and digits for at most {format.Bits} bits."
            );
        return format.Decode(code);
    }
}

/// <summary>The output of --json: the formats, or numbers in them.</summary>
internal sealed record FormatsReport(IReadOnlyList<FormatFacts>? Formats, IReadOnlyList<AskedNumber>? Numbers);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(FormatsReport))]
internal sealed partial class FormatsJson : JsonSerializerContext;
