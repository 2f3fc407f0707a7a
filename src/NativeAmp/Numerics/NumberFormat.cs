using System.Numerics;

namespace NativeAmp;

/// <summary>
/// A format of at most 32 bits: a binary floating-point format of sign, exponent and fraction, or a two's-complement
/// integer. All its properties are computed exactly from a few numbers. Nothing here is fast, and nothing is rounded
/// twice.
/// </summary>
/// <remarks>
/// A floating-point code with exponent field x above 0 and fraction y is (1 + y / 2^f) · 2^(x - bias); with x = 0 it is
/// y / 2^f · 2^(1 - bias), a subnormal (IEEE 754-2019, section 3.4; OCP 8-bit Floating Point Specification 1.0, section
/// 5; OCP Microscaling Formats 1.0, section 5.3.3). Numbers are rounded to nearest, ties to even.
/// </remarks>
public sealed record NumberFormat
{
    private NumberFormat(
        string name,
        int exponentBits,
        int fractionBits,
        int? bias = null,
        SpecialValues specials = SpecialValues.InfinityAndNaN
    )
    {
        Name = name;
        ExponentBits = exponentBits;
        FractionBits = fractionBits;
        Specials = specials;
        Bias = bias ?? (1 << (exponentBits - 1)) - 1;
    }

    private NumberFormat(string name, int bits)
    {
        Name = name;
        FractionBits = bits - 1;
        Specials = SpecialValues.None;
    }

    /// <summary>IEEE binary32, <see cref="float"/>.</summary>
    public static NumberFormat Float32 { get; } = new("fp32", 8, 23);

    /// <summary>
    /// NVIDIA's TensorFloat-32: the range of float32 and the precision of float16, in 19 bits. Tensor cores can round
    /// float32 inputs to it.
    /// </summary>
    public static NumberFormat TensorFloat32 { get; } = new("tf32", 8, 10);

    /// <summary>IEEE binary16, <see cref="Half"/>.</summary>
    public static NumberFormat Float16 { get; } = new("fp16", 5, 10);

    /// <summary>bfloat16, <see cref="NativeAmp.BFloat16"/>.</summary>
    public static NumberFormat BFloat16 { get; } = new("bf16", 8, 7);

    /// <summary>E4M3 of the OCP 8-bit specification: NaN and no infinity; called E4M3FN by PyTorch and ONNX.</summary>
    public static NumberFormat Float8E4M3 { get; } = new("fp8-e4m3", 4, 3, specials: SpecialValues.NaNOnly);

    /// <summary>E5M2 of the OCP 8-bit specification: the upper half of a binary16.</summary>
    public static NumberFormat Float8E5M2 { get; } = new("fp8-e5m2", 5, 2);

    /// <summary>
    /// E2M1 of the OCP microscaling specification: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives, to be used with a
    /// scale.
    /// </summary>
    public static NumberFormat Float4E2M1 { get; } = new("fp4-e2m1", 2, 1, specials: SpecialValues.None);

    /// <summary>Two's complement, -128 to 127, to be used with a scale.</summary>
    public static NumberFormat Int8 { get; } = new("int8", 8);

    /// <summary>Two's complement, -8 to 7, to be used with a scale.</summary>
    public static NumberFormat Int4 { get; } = new("int4", 4);

    /// <summary>E4M3 without infinities and negative zero, which some files use.</summary>
    public static NumberFormat Float8E4M3Fnuz { get; } =
        new("fp8-e4m3fnuz", 4, 3, bias: 8, SpecialValues.NegativeZeroIsNaN);

    /// <summary>E5M2 without infinities and negative zero, which some files use.</summary>
    public static NumberFormat Float8E5M2Fnuz { get; } =
        new("fp8-e5m2fnuz", 5, 2, bias: 16, SpecialValues.NegativeZeroIsNaN);

    /// <summary>E2M3 of the OCP microscaling specification.</summary>
    public static NumberFormat Float6E2M3 { get; } = new("fp6-e2m3", 2, 3, specials: SpecialValues.None);

    /// <summary>E3M2 of the OCP microscaling specification.</summary>
    public static NumberFormat Float6E3M2 { get; } = new("fp6-e3m2", 3, 2, specials: SpecialValues.None);

    /// <summary>The formats that networks are trained and run in, the widest first.</summary>
    public static IReadOnlyList<NumberFormat> All { get; } =
    [Float32, TensorFloat32, Float16, BFloat16, Float8E4M3, Float8E5M2, Float4E2M1, Int8, Int4];

    /// <summary>The usual name, in lower case.</summary>
    public string Name { get; }

    /// <summary>Total bits.</summary>
    public int Bits => 1 + ExponentBits + FractionBits;

    /// <summary>Bits of the exponent; 0 for an integer.</summary>
    public int ExponentBits { get; }

    /// <summary>Bits of the fraction, the leading one not counted; those beside the sign for an integer.</summary>
    public int FractionBits { get; }

    /// <summary>The bias, which is subtracted from the exponent field.</summary>
    public int Bias { get; }

    /// <summary>Which codes are not finite numbers.</summary>
    public SpecialValues Specials { get; }

    /// <summary>Whether it is an integer.</summary>
    public bool IsInteger => ExponentBits == 0;

    /// <summary>Power of two of the smallest normal value; 0 for an integer, whose smallest step is 1.</summary>
    public int MinExponent => IsInteger ? 0 : 1 - Bias;

    /// <summary>Power of two of the smallest value above zero.</summary>
    public int SmallestExponent => IsInteger ? 0 : MinExponent - FractionBits;

    /// <summary>Power of two of the largest value, rounded down.</summary>
    public int MaxExponent => IsInteger ? FractionBits - 1 : (int)(LargestCode >> FractionBits) - Bias;

    /// <summary>The largest value.</summary>
    public ExactNumber Largest => Decode(LargestCode);

    /// <summary>The most negative value: the largest with a minus sign, or one less in two's complement.</summary>
    public ExactNumber Least => Decode(IsInteger ? SignBit : SignBit | LargestCode);

    /// <summary>The smallest value above zero with a full fraction; 1 for an integer.</summary>
    public ExactNumber SmallestNormal => ExactNumber.Binary(negative: false, 1, MinExponent);

    /// <summary>The smallest value above zero.</summary>
    public ExactNumber Smallest => ExactNumber.Binary(negative: false, 1, SmallestExponent);

    /// <summary>The distance from 1 to the next value.</summary>
    public ExactNumber StepAtOne =>
        ExactNumber.Binary(negative: false, 1, IsInteger ? 0 : Math.Max(0, MinExponent) - FractionBits);

    /// <summary>The largest n such that 0 to n are all values.</summary>
    public ExactNumber IntegersExactUpTo =>
        IsInteger ? Largest : ExactNumber.Binary(negative: false, 1, FractionBits + 1);

    private uint SignBit => 1u << (Bits - 1);

    // The largest code of a positive finite value.
    private uint LargestCode =>
        Specials switch
        {
            _ when IsInteger => SignBit - 1,
            SpecialValues.InfinityAndNaN => InfinityCode - 1,
            SpecialValues.NaNOnly => SignBit - 2,
            _ => SignBit - 1,
        };

    private uint InfinityCode => ((1u << ExponentBits) - 1) << FractionBits;

    /// <summary>Finds a format by name; null if there is none.</summary>
    /// <param name="name">The <see cref="Name"/> of a format of <see cref="All"/>, in any case.</param>
    public static NumberFormat? Find(string name) =>
        All.FirstOrDefault(format => string.Equals(format.Name, name, StringComparison.OrdinalIgnoreCase));

    /// <summary>The value of a code.</summary>
    /// <param name="code">The bits, in the lowest places.</param>
    /// <exception cref="ArgumentOutOfRangeException">It has more bits than the format.</exception>
    public ExactNumber Decode(uint code)
    {
        if (Bits < 32 && code >> Bits != 0)
            throw new ArgumentOutOfRangeException(nameof(code), code, $"A code of {Name} has {Bits} bits.");
        bool negative = (code & SignBit) != 0;
        uint magnitude = code & (SignBit - 1);
        if (IsInteger)
            return ExactNumber.Binary(negative, negative ? SignBit - magnitude : magnitude, 0);
        if (Specials == SpecialValues.NegativeZeroIsNaN && code == SignBit)
            return ExactNumber.NaN;
        if (magnitude > LargestCode)
            return Specials == SpecialValues.InfinityAndNaN && magnitude == InfinityCode
                ? ExactNumber.Infinity(negative)
                : ExactNumber.NaN;
        uint field = magnitude >> FractionBits;
        uint fraction = magnitude & ((1u << FractionBits) - 1);
        return field == 0
            ? ExactNumber.Binary(negative, fraction, SmallestExponent)
            : ExactNumber.Binary(negative, fraction | (1u << FractionBits), (int)field - Bias - FractionBits);
    }

    /// <summary>The nearest value, ties to even.</summary>
    /// <remarks>
    /// A number rounded past the largest value becomes infinity if the format has one. Otherwise it becomes NaN if
    /// there is one (as PyTorch and ml_dtypes convert to E4M3), else the largest value (as in the microscaling
    /// specification, and as integers are clamped). A NaN gets the code that hardware gives: quiet.
    /// </remarks>
    public RoundedNumber Round(ExactNumber number)
    {
        uint sign = number.IsNegative ? SignBit : 0;
        if (number.IsNaN)
            return NaNCode is { } nan
                ? new RoundedNumber(nan, number, RoundingOutcome.Exact)
                : new RoundedNumber(0, Decode(0), RoundingOutcome.Missing);
        if (number.IsInfinity)
            return Specials == SpecialValues.InfinityAndNaN
                ? new RoundedNumber(sign | InfinityCode, number, RoundingOutcome.Exact)
                : Overflow(number.IsNegative, RoundingOutcome.Missing);
        if (number.IsZero)
        {
            uint zero = IsInteger || Specials == SpecialValues.NegativeZeroIsNaN ? 0 : sign;
            return new RoundedNumber(zero, Decode(zero), RoundingOutcome.Exact);
        }

        (BigInteger significand, int exponent) = RoundToStep(number);
        // A significand rounded up to the next power of two carries into the exponent field by itself.
        BigInteger magnitude = IsInteger
            ? significand
            : ((BigInteger)(exponent + FractionBits + Bias - 1) << FractionBits) + significand;
        if (magnitude > (IsInteger && number.IsNegative ? SignBit : LargestCode))
            return Overflow(number.IsNegative, RoundingOutcome.Overflow);
        uint code =
            IsInteger ? Complement((uint)magnitude, number.IsNegative)
            : magnitude.IsZero && Specials == SpecialValues.NegativeZeroIsNaN ? 0
            : sign | (uint)magnitude;
        ExactNumber value = Decode(code);
        return new RoundedNumber(
            code,
            value,
            value == number ? RoundingOutcome.Exact
                : value.IsZero ? RoundingOutcome.Underflow
                : !IsInteger && magnitude < 1u << FractionBits ? RoundingOutcome.Subnormal
                : RoundingOutcome.Rounded
        );
    }

    private uint? NaNCode =>
        Specials switch
        {
            SpecialValues.InfinityAndNaN => InfinityCode | (1u << (FractionBits - 1)),
            SpecialValues.NaNOnly => SignBit - 1,
            SpecialValues.NegativeZeroIsNaN => SignBit,
            _ => null,
        };

    /// <summary>The magnitude as a multiple of the format's step there, rounded.</summary>
    private (BigInteger Significand, int Exponent) RoundToStep(ExactNumber number)
    {
        (BigInteger numerator, BigInteger denominator) = number.Magnitude();
        int step = 0;
        if (!IsInteger)
        {
            int exponent = (int)(numerator.GetBitLength() - denominator.GetBitLength()); // floor(log2), or one more
            if (exponent >= 0 ? numerator < denominator << exponent : numerator << -exponent < denominator)
                exponent--;
            step = Math.Max(exponent, MinExponent) - FractionBits;
        }

        if (step >= 0)
            denominator <<= step;
        else
            numerator <<= -step;
        (BigInteger quotient, BigInteger rest) = BigInteger.DivRem(numerator, denominator);
        int half = (2 * rest).CompareTo(denominator);
        return (half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient, step);
    }

    private RoundedNumber Overflow(bool negative, RoundingOutcome outcome)
    {
        uint code = IsInteger
            ? (negative ? SignBit : LargestCode)
            : (negative ? SignBit : 0)
                | (
                    Specials == SpecialValues.InfinityAndNaN ? InfinityCode
                    : Specials == SpecialValues.NaNOnly ? SignBit - 1
                    : LargestCode
                );
        if (Specials == SpecialValues.NegativeZeroIsNaN)
            code = SignBit;
        return new RoundedNumber(code, Decode(code), outcome);
    }

    private uint Complement(uint magnitude, bool negative) =>
        negative ? (2 * SignBit - magnitude) & (2 * SignBit - 1) : magnitude;
}
