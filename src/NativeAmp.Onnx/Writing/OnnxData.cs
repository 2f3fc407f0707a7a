using System.Runtime.InteropServices;

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
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not an element type that is written."),
        };

    /// <summary>The bytes of integers.</summary>
    public static byte[] Bytes(long[] values) => MemoryMarshal.AsBytes<long>(values).ToArray();

    /// <summary>The bytes of numbers that are rounded to a type.</summary>
    /// <exception cref="OnnxExportException">A finite number is beyond float16's range.</exception>
    public static byte[] Bytes(float[] values, OnnxElementType type, string name)
    {
        if (type == OnnxElementType.Float32)
            return MemoryMarshal.AsBytes<float>(values).ToArray();
        if (type != OnnxElementType.Float16)
            throw new ArgumentOutOfRangeException(nameof(type), type, "Numbers are written as float32 or float16.");
        Half[] rounded = Array.ConvertAll(values, value => (Half)value);
        for (int i = 0; i < values.Length; i++)
        {
            if (float.IsFinite(values[i]) && !Half.IsFinite(rounded[i]))
                throw new OnnxExportException(
                    name,
                    $"'{name}' has {values[i]} at element {i}, beyond float16's range of ±65504. Export it with "
                        + $"{nameof(OnnxPrecision)}.{nameof(OnnxPrecision.Float32)}."
                );
        }

        return MemoryMarshal.AsBytes<Half>(rounded).ToArray();
    }
}
