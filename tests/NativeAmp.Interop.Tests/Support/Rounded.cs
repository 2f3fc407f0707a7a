using System.Runtime.InteropServices;

namespace NativeAmp.Interop.Tests;

/// <summary>Numbers, and their half-precision bits by .NET's own conversions.</summary>
internal static class Rounded
{
    /// <summary>Numbers between -1 and 1, the same in every run.</summary>
    public static float[] Numbers(int count, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];
    }

    /// <summary>Bits of float16.</summary>
    public static ushort[] ToFloat16(float[] values) =>
        Array.ConvertAll(values, value => BitConverter.HalfToUInt16Bits((Half)value));

    /// <summary>Bits of bfloat16: the upper half of float32, to the nearest, ties to even.</summary>
    public static ushort[] ToBFloat16(float[] values) =>
        Array.ConvertAll(
            values,
            value =>
            {
                uint bits = BitConverter.SingleToUInt32Bits(value);
                uint kept = bits >> 16;
                uint rest = bits & 0xffff;
                return (ushort)(rest > 0x8000 || (rest == 0x8000 && kept % 2 == 1) ? kept + 1 : kept);
            }
        );

    /// <summary>The bits of two-byte elements of any type.</summary>
    public static ushort[] Bits<T>(T[] elements)
        where T : unmanaged => MemoryMarshal.Cast<T, ushort>(elements.AsSpan()).ToArray();
}
