using System.Runtime.InteropServices;

namespace NativeAmp.Training.Export;

/// <summary>Float32 numbers as the little-endian bytes of a file, rounded to the file's type.</summary>
internal static class FloatBytes
{
    /// <summary>The bytes of numbers.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="dtype">Float32, Float16 or BFloat16.</param>
    public static byte[] Of(float[] values, DType dtype) =>
        dtype switch
        {
            DType.Float32 => MemoryMarshal.AsBytes<float>(values).ToArray(),
            DType.Float16 => MemoryMarshal.AsBytes<Half>(Array.ConvertAll(values, value => (Half)value)).ToArray(),
            DType.BFloat16 => MemoryMarshal
                .AsBytes<BFloat16>(Array.ConvertAll(values, value => (BFloat16)value))
                .ToArray(),
            _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not a type of floats in files."),
        };

    /// <summary>The same, where a finite number must stay one.</summary>
    /// <exception cref="ExportException">A finite number is beyond the type's range.</exception>
    public static byte[] InRange(float[] values, DType dtype, string name)
    {
        for (int i = 0; dtype == DType.Float16 && i < values.Length; i++)
        {
            if (float.IsFinite(values[i]) && !Half.IsFinite((Half)values[i]))
                throw new ExportException(
                    name,
                    $"'{name}' has {values[i]} at element {i}, beyond float16's range of ±65504. Export it in float32."
                );
        }

        return Of(values, dtype);
    }
}
