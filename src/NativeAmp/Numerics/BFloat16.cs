using System.Globalization;
using System.Runtime.CompilerServices;

namespace NativeAmp;

/// <summary>
/// A bfloat16: sign, eight exponent bits and seven fraction bits, the upper half of a <see cref="float"/>.
/// </summary>
/// <remarks>
/// .NET has one of its own from version 11 on; this one is two bytes as well and converts to and from it there.
/// </remarks>
public readonly struct BFloat16
    : IEquatable<BFloat16>,
        IComparable<BFloat16>,
        IComparable,
        ISpanFormattable,
        ISpanParsable<BFloat16>
{
    private readonly ushort _bits;

    private BFloat16(ushort bits) => _bits = bits;

    /// <summary>Zero.</summary>
    public static BFloat16 Zero => default;

    /// <summary>One.</summary>
    public static BFloat16 One => new(0x3F80);

    /// <summary>Not a number.</summary>
    public static BFloat16 NaN => new(0xFFC0);

    /// <summary>Positive infinity.</summary>
    public static BFloat16 PositiveInfinity => new(0x7F80);

    /// <summary>Negative infinity.</summary>
    public static BFloat16 NegativeInfinity => new(0xFF80);

    /// <summary>The largest finite value, about 3.39e38.</summary>
    public static BFloat16 MaxValue => new(0x7F7F);

    /// <summary>The smallest finite value, about -3.39e38.</summary>
    public static BFloat16 MinValue => new(0xFF7F);

    /// <summary>The smallest positive value, a subnormal of about 9.18e-41.</summary>
    public static BFloat16 Epsilon => new(0x0001);

    /// <summary>The value with these bits.</summary>
    public static BFloat16 FromBits(ushort bits) => new(bits);

    /// <summary>The bits.</summary>
    public ushort ToBits() => _bits;

    /// <summary>Whether the value is not a number.</summary>
    public static bool IsNaN(BFloat16 value) => (value._bits & 0x7FFF) > 0x7F80;

    /// <summary>Whether the value is positive or negative infinity.</summary>
    public static bool IsInfinity(BFloat16 value) => (value._bits & 0x7FFF) == 0x7F80;

    /// <summary>Whether the value is neither infinite nor not a number.</summary>
    public static bool IsFinite(BFloat16 value) => (value._bits & 0x7F80) != 0x7F80;

    /// <summary>
    /// The nearest bfloat16, ties to even. Overflow goes to infinity; a NaN keeps its sign and upper payload and
    /// becomes quiet.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static explicit operator BFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if ((bits & 0x7FFF_FFFF) > 0x7F80_0000)
            return new BFloat16((ushort)((bits >> 16) | 0x0040));
        // Half of the last kept place, less one, plus the last kept bit: a tie carries only into an odd value.
        return new BFloat16((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }

    /// <summary>The same value; every bfloat16 is a float.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static implicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value._bits << 16);

#if NET11_0_OR_GREATER
    /// <summary>The same bits as .NET's own type.</summary>
    public static implicit operator System.Numerics.BFloat16(BFloat16 value) =>
        Unsafe.BitCast<BFloat16, System.Numerics.BFloat16>(value);

    /// <summary>The same bits as .NET's own type.</summary>
    public static implicit operator BFloat16(System.Numerics.BFloat16 value) =>
        Unsafe.BitCast<System.Numerics.BFloat16, BFloat16>(value);
#endif

    /// <summary>The value with its sign changed.</summary>
    public static BFloat16 operator -(BFloat16 value) => new((ushort)(value._bits ^ 0x8000));

    /// <summary>Whether the values are equal; zeros are, NaNs are not.</summary>
    public static bool operator ==(BFloat16 left, BFloat16 right) => (float)left == right;

    /// <summary>Whether the values differ; a NaN differs from everything.</summary>
    public static bool operator !=(BFloat16 left, BFloat16 right) => (float)left != right;

    /// <summary>Whether the first is less.</summary>
    public static bool operator <(BFloat16 left, BFloat16 right) => (float)left < right;

    /// <summary>Whether the first is greater.</summary>
    public static bool operator >(BFloat16 left, BFloat16 right) => (float)left > right;

    /// <summary>Whether the first is less or equal.</summary>
    public static bool operator <=(BFloat16 left, BFloat16 right) => (float)left <= right;

    /// <summary>Whether the first is greater or equal.</summary>
    public static bool operator >=(BFloat16 left, BFloat16 right) => (float)left >= right;

    /// <summary>Equality as <see cref="float.Equals(float)"/> has it: a NaN equals a NaN.</summary>
    public bool Equals(BFloat16 other) => ((float)this).Equals(other);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BFloat16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => ((float)this).GetHashCode();

    /// <inheritdoc/>
    public int CompareTo(BFloat16 other) => ((float)this).CompareTo(other);

    /// <inheritdoc/>
    public int CompareTo(object? obj) =>
        obj switch
        {
            null => 1,
            BFloat16 other => CompareTo(other),
            _ => throw new ArgumentException($"A BFloat16 cannot be compared with a {obj.GetType()}.", nameof(obj)),
        };

    /// <summary>Digits enough to read the same float back, in the current culture.</summary>
    public override string ToString() => ((float)this).ToString(CultureInfo.CurrentCulture);

    /// <inheritdoc/>
    public string ToString(string? format, IFormatProvider? formatProvider) =>
        ((float)this).ToString(format, formatProvider);

    /// <inheritdoc/>
    public bool TryFormat(
        Span<char> destination,
        out int charsWritten,
        ReadOnlySpan<char> format,
        IFormatProvider? provider
    ) => ((float)this).TryFormat(destination, out charsWritten, format, provider);

    /// <summary>Reads a number, rounded to float32 and then to bfloat16.</summary>
    public static BFloat16 Parse(string s, IFormatProvider? provider) => (BFloat16)float.Parse(s, provider);

    /// <summary>Reads a number, rounded to float32 and then to bfloat16.</summary>
    public static BFloat16 Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => (BFloat16)float.Parse(s, provider);

    /// <summary>Reads a number, rounded to float32 and then to bfloat16.</summary>
    public static bool TryParse(string? s, IFormatProvider? provider, out BFloat16 result) =>
        TryParse(s.AsSpan(), provider, out result);

    /// <summary>Reads a number, rounded to float32 and then to bfloat16.</summary>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out BFloat16 result)
    {
        bool read = float.TryParse(s, provider, out float value);
        result = (BFloat16)value;
        return read;
    }
}
