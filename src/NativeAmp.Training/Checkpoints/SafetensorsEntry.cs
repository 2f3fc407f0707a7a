namespace NativeAmp.Training.Checkpoints;

/// <summary>One tensor of a safetensors file.</summary>
/// <param name="Name">The tensor's name, unique in its file.</param>
/// <param name="DType">Element type.</param>
/// <param name="Shape">Sizes, outermost first; empty for a scalar.</param>
public sealed record SafetensorsEntry(string Name, SafetensorsDType DType, IReadOnlyList<long> Shape)
{
    /// <summary>Bytes of the elements.</summary>
    public long ByteLength { get; } =
        ByteLengthOf(DType, Shape)
        ?? throw new ArgumentException(
            $"Tensor {Name} of shape [{string.Join(", ", Shape)}] is negative, too large, or no whole number of bytes.",
            nameof(Shape)
        );

    /// <summary>Offset of the elements in bytes from the end of the header.</summary>
    internal long Begin { get; init; }

    /// <summary>
    /// Bytes of a tensor; null if a dimension is negative, the product overflows, or the bits are not whole bytes.
    /// </summary>
    internal static long? ByteLengthOf(SafetensorsDType dtype, IReadOnlyList<long> shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        UInt128 bits = (UInt128)dtype.Bits();
        foreach (long size in shape)
        {
            if (size < 0)
                return null;
            bits *= (UInt128)size; // below 2^66 * 2^63, and kept below 2^66
            if (bits > (UInt128)long.MaxValue * 8)
                return null;
        }

        return bits % 8 == 0 ? (long)(bits / 8) : null;
    }
}
