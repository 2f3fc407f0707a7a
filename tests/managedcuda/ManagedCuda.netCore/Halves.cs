using System.Runtime.InteropServices;

namespace ManagedCuda.BasicTypes;

/// <summary>IEEE binary16.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct half
{
    private readonly ushort _x;

    public half(float f) => _x = BitConverter.HalfToUInt16Bits((Half)f);
}

/// <summary>The upper half of a binary32, rounded to nearest even.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct bfloat16
{
    private readonly ushort _x;

    public bfloat16(float f)
    {
        uint bits = BitConverter.SingleToUInt32Bits(f);
        _x = (ushort)(float.IsNaN(f) ? 0x7fff : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
}
