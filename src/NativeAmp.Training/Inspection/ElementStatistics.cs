using System.Runtime.InteropServices;
using NativeAmp.Training.Checkpoints;

namespace NativeAmp.Training.Inspection;

/// <summary>
/// Computes statistics of a tensor's elements from their bytes, in pieces. It handles every type of safetensors, and
/// its memory does not grow with the tensor. Types of at most 16 bits are counted by code, and each code is decoded
/// once.
/// </summary>
internal sealed class ElementStatistics
{
    private const int BufferBytes = 3 << 18; // a multiple of every element's bytes, and of four 6-bit elements

    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly double[] _wide = new double[BufferBytes / 4];
    private readonly long[] _codes = new long[1 << 16];

    /// <summary>Adds all elements of a tensor to statistics; a complex number counts as two.</summary>
    /// <exception cref="Data.DataFormatException">The file is shorter than it was when it was opened.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Add(SafetensorsReader reader, SafetensorsEntry entry, ValueStatistics statistics)
    {
        int bits = entry.DType.Bits();
        bool byCode = bits <= 16;
        if (byCode)
            Array.Clear(_codes);
        for (long offset = 0; offset < entry.ByteLength; offset += BufferBytes)
        {
            Span<byte> part = _buffer.AsSpan(0, (int)Math.Min(BufferBytes, entry.ByteLength - offset));
            reader.Read(entry, offset, part);
            if (byCode)
                Count(part, bits);
            else
                AddWide(part, entry.DType, statistics);
        }

        if (byCode)
            AddCounted(entry.DType, statistics);
    }

    /// <summary>Adds all elements of a floating-point tensor, on any device.</summary>
    public void Add(Tensor tensor, ValueStatistics statistics)
    {
        switch (tensor.DType)
        {
            case DType.Float16:
                AddCodes(MemoryMarshal.AsBytes<Half>(tensor.ToArray<Half>()), SafetensorsDType.F16, statistics);
                break;
            case DType.BFloat16:
                AddCodes(
                    MemoryMarshal.AsBytes<BFloat16>(tensor.ToArray<BFloat16>()),
                    SafetensorsDType.BF16,
                    statistics
                );
                break;
            default:
                statistics.Add(tensor.ToFloats());
                break;
        }
    }

    private void AddCodes(ReadOnlySpan<byte> bytes, SafetensorsDType dtype, ValueStatistics statistics)
    {
        Array.Clear(_codes);
        Count(bytes, dtype.Bits());
        AddCounted(dtype, statistics);
    }

    private void AddCounted(SafetensorsDType dtype, ValueStatistics statistics)
    {
        for (int code = 0; code < 1 << dtype.Bits(); code++)
        {
            if (_codes[code] > 0)
                statistics.Add(Decode(dtype, (uint)code), _codes[code]);
        }
    }

    private void Count(ReadOnlySpan<byte> bytes, int bits)
    {
        switch (bits)
        {
            case 16:
                foreach (ushort code in MemoryMarshal.Cast<byte, ushort>(bytes))
                    _codes[code]++;
                break;
            case 8:
                foreach (byte code in bytes)
                    _codes[code]++;
                break;
            case 4:
                foreach (byte two in bytes)
                {
                    _codes[two & 15]++;
                    _codes[two >> 4]++;
                }

                break;
            default: // four of 6 bits in three bytes, the first in the lowest bits
                for (int i = 0; i + 2 < bytes.Length; i += 3)
                {
                    int four = bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16;
                    for (int shift = 0; shift < 24; shift += 6)
                        _codes[four >> shift & 63]++;
                }

                break;
        }
    }

    private void AddWide(ReadOnlySpan<byte> bytes, SafetensorsDType dtype, ValueStatistics statistics)
    {
        switch (dtype)
        {
            case SafetensorsDType.F32 or SafetensorsDType.C64:
                statistics.Add(MemoryMarshal.Cast<byte, float>(bytes));
                break;
            case SafetensorsDType.F64:
                statistics.Add(MemoryMarshal.Cast<byte, double>(bytes));
                break;
            case SafetensorsDType.I32:
                AddIntegers(MemoryMarshal.Cast<byte, int>(bytes), statistics);
                break;
            case SafetensorsDType.U32:
                AddIntegers(MemoryMarshal.Cast<byte, uint>(bytes), statistics);
                break;
            case SafetensorsDType.I64:
                AddIntegers(MemoryMarshal.Cast<byte, long>(bytes), statistics);
                break;
            default:
                AddIntegers(MemoryMarshal.Cast<byte, ulong>(bytes), statistics);
                break;
        }
    }

    private void AddIntegers<T>(ReadOnlySpan<T> values, ValueStatistics statistics)
        where T : System.Numerics.IBinaryInteger<T>
    {
        Span<double> wide = _wide.AsSpan(0, values.Length);
        for (int i = 0; i < values.Length; i++)
            wide[i] = double.CreateTruncating(values[i]); // past 2^53 to the nearest double
        statistics.Add(wide);
    }

    private static double Decode(SafetensorsDType dtype, uint code) =>
        dtype switch
        {
            SafetensorsDType.F16 => (double)BitConverter.UInt16BitsToHalf((ushort)code),
            SafetensorsDType.BF16 => BFloat16.FromBits((ushort)code),
            SafetensorsDType.I16 => (short)code,
            SafetensorsDType.U16 or SafetensorsDType.U8 or SafetensorsDType.BOOL => code,
            SafetensorsDType.I8 => (sbyte)code,
            SafetensorsDType.F8_E4M3 => Decode(NumberFormat.Float8E4M3, code),
            SafetensorsDType.F8_E5M2 => Decode(NumberFormat.Float8E5M2, code),
            SafetensorsDType.F8_E4M3FNUZ => Decode(NumberFormat.Float8E4M3Fnuz, code),
            SafetensorsDType.F8_E5M2FNUZ => Decode(NumberFormat.Float8E5M2Fnuz, code),
            SafetensorsDType.F8_E8M0 => code == 255 ? double.NaN : Math.ScaleB(1, (int)code - 127),
            SafetensorsDType.F6_E2M3 => Decode(NumberFormat.Float6E2M3, code),
            SafetensorsDType.F6_E3M2 => Decode(NumberFormat.Float6E3M2, code),
            SafetensorsDType.F4 => Decode(NumberFormat.Float4E2M1, code),
            _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not a type of at most 16 bits."),
        };

    private static double Decode(NumberFormat format, uint code) => format.Decode(code).ToDouble();
}
