using System.Globalization;
using System.Numerics;

namespace NativeAmp;

/// <summary>
/// An exact number: digits of any length times a power of ten, or an infinity or NaN. It holds every value of a binary
/// format and every number that can be typed, without rounding.
/// </summary>
public readonly struct ExactNumber : IEquatable<ExactNumber>
{
    private readonly BigInteger _digits; // no sign, no trailing zeros

    private ExactNumber(bool negative, BigInteger digits, int exponent)
    {
        IsNegative = negative;
        while (!digits.IsZero && BigInteger.DivRem(digits, 10) is var (quotient, rest) && rest.IsZero)
            (digits, exponent) = (quotient, exponent + 1);
        (_digits, Exponent) = (digits, digits.IsZero ? 0 : exponent);
    }

    private ExactNumber(bool negative, bool isInfinity)
    {
        IsNegative = negative;
        (IsInfinity, IsNaN) = (isInfinity, !isInfinity);
    }

    /// <summary>Not a number.</summary>
    public static ExactNumber NaN { get; } = new(negative: false, isInfinity: false);

    /// <summary>Whether there is a minus sign; zero may have one.</summary>
    public bool IsNegative { get; }

    /// <summary>Whether it is infinite.</summary>
    public bool IsInfinity { get; }

    /// <summary>Whether it is not a number.</summary>
    public bool IsNaN { get; }

    /// <summary>Whether it is neither infinite nor NaN.</summary>
    public bool IsFinite => !IsInfinity && !IsNaN;

    /// <summary>Whether it is zero, of either sign.</summary>
    public bool IsZero => IsFinite && _digits.IsZero;

    /// <summary>The significant digits as an integer, without sign and trailing zeros.</summary>
    public BigInteger Digits => _digits;

    /// <summary>The power of ten that the digits are multiplied by.</summary>
    public int Exponent { get; }

    /// <summary>Infinity of a sign.</summary>
    public static ExactNumber Infinity(bool negative) => new(negative, isInfinity: true);

    /// <summary>magnitude · 10^exponent, with a sign.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The magnitude is negative.</exception>
    public static ExactNumber Decimal(bool negative, BigInteger magnitude, int exponent)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(magnitude);
        return new ExactNumber(negative, magnitude, exponent);
    }

    /// <summary>magnitude · 2^exponent, with a sign.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The magnitude is negative.</exception>
    public static ExactNumber Binary(bool negative, BigInteger magnitude, int exponent)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(magnitude);
        // m / 2^k = m · 5^k / 10^k.
        return exponent >= 0
            ? new ExactNumber(negative, magnitude << exponent, 0)
            : new ExactNumber(negative, magnitude * BigInteger.Pow(5, -exponent), exponent);
    }

    /// <summary>The exact value of a double.</summary>
    public static ExactNumber From(double value)
    {
        bool negative = double.IsNegative(value);
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? NaN : Infinity(negative);
        ulong bits = BitConverter.DoubleToUInt64Bits(value);
        int field = (int)(bits >> 52) & 0x7FF;
        ulong fraction = bits & ((1UL << 52) - 1);
        return Binary(negative, field == 0 ? fraction : fraction | (1UL << 52), Math.Max(field, 1) - 1075);
    }

    /// <summary>The nearest double.</summary>
    public double ToDouble() =>
        IsNaN ? double.NaN
        : IsInfinity ? (IsNegative ? double.NegativeInfinity : double.PositiveInfinity)
        : double.Parse(ToString(), CultureInfo.InvariantCulture);

    /// <summary>The magnitude as a fraction of two integers, the second above 0.</summary>
    /// <exception cref="InvalidOperationException">It is not finite.</exception>
    public (BigInteger Numerator, BigInteger Denominator) Magnitude() =>
        !IsFinite ? throw new InvalidOperationException($"{this} is no fraction.")
        : Exponent >= 0 ? (_digits * BigInteger.Pow(10, Exponent), BigInteger.One)
        : (_digits, BigInteger.Pow(10, -Exponent));

    /// <summary>The exact difference of two finite numbers.</summary>
    /// <exception cref="InvalidOperationException">One is not finite.</exception>
    public static ExactNumber operator -(ExactNumber left, ExactNumber right) => Subtract(left, right);

    /// <summary>The exact difference of two finite numbers.</summary>
    /// <exception cref="InvalidOperationException">One is not finite.</exception>
    public static ExactNumber Subtract(ExactNumber left, ExactNumber right)
    {
        if (!left.IsFinite || !right.IsFinite)
            throw new InvalidOperationException($"{left} - {right} is no finite number.");
        int exponent = Math.Min(left.Exponent, right.Exponent);
        BigInteger difference = left.Signed(exponent) - right.Signed(exponent);
        return new ExactNumber(difference.Sign < 0, BigInteger.Abs(difference), exponent);
    }

    /// <summary>The quotient of two magnitudes, as a double. Used for relative errors.</summary>
    public static double Ratio(ExactNumber left, ExactNumber right)
    {
        if (left.IsZero)
            return right.IsZero ? double.NaN : 0;
        if (right.IsZero)
            return double.PositiveInfinity;
        (BigInteger a, BigInteger b) = left.Magnitude();
        (BigInteger c, BigInteger d) = right.Magnitude();
        (BigInteger numerator, BigInteger denominator) = (a * d, b * c);
        // 64 bits of quotient: more than a double shows.
        long shift = 64 - numerator.GetBitLength() + denominator.GetBitLength();
        BigInteger quotient =
            shift >= 0 ? (numerator << (int)shift) / denominator : numerator / (denominator << (int)-shift);
        return Math.ScaleB((double)quotient, (int)-shift);
    }

    /// <summary>All digits: plain, or with an exponent where the number would begin or end with many zeros.</summary>
    public override string ToString() => ToString(int.MaxValue);

    /// <summary>The number with at most this many significant digits, rounded to nearest even.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number of digits is less than one.</exception>
    public string ToString(int significantDigits)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(significantDigits);
        string sign = IsNegative ? "-" : "";
        if (!IsFinite)
            return IsNaN ? "nan" : sign + "inf";
        (string digits, int exponent) = (_digits.ToString(CultureInfo.InvariantCulture), Exponent);
        if (digits.Length > significantDigits)
            (digits, exponent) = Shorten(digits.Length - significantDigits);
        int first = exponent + digits.Length - 1; // power of ten of the first digit
        if (first is < -5 or > 20)
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{sign}{digits[0]}{(digits.Length > 1 ? "." : "")}{digits[1..]}e{first}"
            );
        if (exponent >= 0)
            return sign + digits + new string('0', exponent);
        return first < 0
            ? $"{sign}0.{new string('0', -first - 1)}{digits}"
            : $"{sign}{digits[..(first + 1)]}.{digits[(first + 1)..]}";
    }

    /// <summary>Reads a number.</summary>
    /// <param name="text">Decimal (-0, 65520, 1e-8), hexadecimal with a binary exponent (0x1.8p-24), inf or
    /// nan.</param>
    /// <exception cref="FormatException">The text is not a number, or is too long or too large.</exception>
    public static ExactNumber Parse(string text) => ExactNumberParser.Parse(text);

    /// <summary>Whether sign and value are the same; NaN equals NaN.</summary>
    public bool Equals(ExactNumber other) =>
        IsNaN || other.IsNaN
            ? IsNaN == other.IsNaN
            : IsNegative == other.IsNegative
                && IsInfinity == other.IsInfinity
                && _digits == other._digits
                && Exponent == other.Exponent;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is ExactNumber other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => IsNaN ? 0 : HashCode.Combine(IsNegative, IsInfinity, _digits, Exponent);

    /// <summary>Whether sign and value are the same; NaN equals NaN.</summary>
    public static bool operator ==(ExactNumber left, ExactNumber right) => left.Equals(right);

    /// <summary>Whether sign or value differ.</summary>
    public static bool operator !=(ExactNumber left, ExactNumber right) => !left.Equals(right);

    private BigInteger Signed(int exponent) =>
        (IsNegative ? -_digits : _digits) * BigInteger.Pow(10, Exponent - exponent);

    private (string Digits, int Exponent) Shorten(int dropped)
    {
        BigInteger unit = BigInteger.Pow(10, dropped);
        (BigInteger quotient, BigInteger rest) = BigInteger.DivRem(_digits, unit);
        if (2 * rest > unit || (2 * rest == unit && !quotient.IsEven))
            quotient++;
        var rounded = new ExactNumber(negative: false, quotient, Exponent + dropped);
        return (rounded._digits.ToString(CultureInfo.InvariantCulture), rounded.Exponent);
    }
}
