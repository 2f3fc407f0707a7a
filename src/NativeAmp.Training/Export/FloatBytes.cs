using System.Runtime.InteropServices;

namespace NativeAmp.Training.Export;

/// <summary>Float32 numbers as the little-endian bytes of a file, rounded to the file's type.</summary>
internal static class FloatBytes
{
    /// <summary>The bytes of numbers, of which a finite one must stay finite.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="dtype">Float32, Float16 or BFloat16.</param>
    /// <param name="name">The tensor's name, for the error.</param>
    /// <exception cref="ExportException">A finite number is beyond the type's range.</exception>
    public static byte[] InRange(float[] values, DType dtype, string name) =>
        dtype switch
        {
            DType.Float32 => MemoryMarshal.AsBytes<float>(values).ToArray(),
            DType.Float16 => Rounded(values, value => (Half)value, Half.IsFinite, (float)Half.MaxValue, dtype, name),
            DType.BFloat16 => Rounded(
                values,
                value => (BFloat16)value,
                BFloat16.IsFinite,
                (float)BFloat16.MaxValue,
                dtype,
                name
            ),
            _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not a type of floats in files."),
        };

    private static byte[] Rounded<T>(
        float[] values,
        Converter<float, T> round,
        Predicate<T> isFinite,
        float largest,
        DType dtype,
        string name
    )
        where T : unmanaged
    {
        T[] rounded = Array.ConvertAll(values, round);
        for (int i = 0; i < rounded.Length; i++)
        {
            if (!isFinite(rounded[i]) && float.IsFinite(values[i]))
                throw new ExportException(
                    name,
                    FormattableString.Invariant(
                        $"'{name}' has {values[i]} at element {i}, beyond {dtype.Name()}'s range of ±{largest}. Write "
                    ) + "it in float32."
                );
        }

        return MemoryMarshal.AsBytes<T>(rounded).ToArray();
    }
}
