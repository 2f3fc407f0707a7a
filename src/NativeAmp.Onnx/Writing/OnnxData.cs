using System.Runtime.InteropServices;
using NativeAmp.Training.Export;

namespace NativeAmp.Onnx.Writing;

/// <summary>Numbers as the raw data of a tensor, little-endian.</summary>
internal static class OnnxData
{
    /// <summary>Bytes of an element.</summary>
    public static int Size(OnnxElementType type) =>
        type switch
        {
            OnnxElementType.Float32 => sizeof(float),
            OnnxElementType.Float16 => sizeof(ushort),
            OnnxElementType.Int64 => sizeof(long),
            OnnxElementType.Int8 or OnnxElementType.UInt8 => sizeof(byte),
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not an element type that is written."),
        };

    /// <summary>The bytes of integers.</summary>
    public static byte[] Bytes(long[] values) => MemoryMarshal.AsBytes<long>(values).ToArray();

    /// <summary>The bytes of numbers that are rounded to a type.</summary>
    /// <exception cref="ExportException">A finite number is beyond float16's range.</exception>
    public static byte[] Bytes(float[] values, OnnxElementType type, string name) =>
        FloatBytes.InRange(values, type == OnnxElementType.Float16 ? DType.Float16 : DType.Float32, name);
}
