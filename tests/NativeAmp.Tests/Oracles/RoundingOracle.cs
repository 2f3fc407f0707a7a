namespace NativeAmp.Tests;

/// <summary>
/// Rounding to half precision from its definition: the nearest multiple of the value's last place, ties to even.
/// </summary>
internal static class RoundingOracle
{
    /// <summary>Bits of the bfloat16 nearest to a float: 8 significant bits, exponents as float32.</summary>
    public static ushort BFloat16Bits(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)(bits >> 16 | 0x40);
        double rounded = Round(value, significantBits: 8, smallestExponent: -126);
        // A rounded value has 8 significant bits, so that float32 holds it exactly and its lower half is zero.
        float exact =
            Math.Abs(rounded) >= Math.ScaleB(1, 128)
                ? float.CopySign(float.PositiveInfinity, value)
                : float.CopySign((float)rounded, value);
        return (ushort)(BitConverter.SingleToUInt32Bits(exact) >> 16);
    }

    /// <summary>Bits of the binary16 nearest to a float: 11 significant bits, exponents -14 to 15.</summary>
    public static ushort Float16Bits(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint sign = bits >> 31 << 15;
        if (float.IsNaN(value))
            return (ushort)(sign | 0x7E00 | (bits >> 13 & 0x3FF));
        double magnitude = Math.Abs(Round(value, significantBits: 11, smallestExponent: -14));
        if (magnitude >= 65536)
            return (ushort)(sign | 0x7C00);
        if (magnitude < Math.ScaleB(1, -14))
            return (ushort)(sign | (uint)Math.ScaleB(magnitude, 24));
        int exponent = Math.ILogB(magnitude);
        return (ushort)(sign | (uint)(exponent + 15) << 10 | (uint)Math.ScaleB(magnitude, 10 - exponent) - 1024);
    }

    private static double Round(double value, int significantBits, int smallestExponent)
    {
        if (value == 0 || double.IsInfinity(value))
            return value;
        int place = Math.Max(Math.ILogB(value), smallestExponent) - (significantBits - 1);
        return Math.ScaleB(Math.Round(Math.ScaleB(value, -place), MidpointRounding.ToEven), place);
    }
}
