namespace NativeAmp;

/// <summary>How an optimizer keeps a column of its state, such as Adam's first moment.</summary>
/// <remarks>
/// The formats of 8 bits store a code for each element and a float32 for every 256 of them (the block's largest
/// magnitude), so 1.016 bytes an element. The step decodes a block, computes in float32 and encodes it again, in its
/// one pass.
/// </remarks>
public enum StateFormat
{
    /// <summary>float32: four bytes an element.</summary>
    Float32,

    /// <summary>bfloat16, rounded to nearest: two bytes.</summary>
    BFloat16,

    /// <summary>
    /// One byte by the dynamic map of 8-bit optimizers (Dettmers et al. 2022): relative precision over seven decades
    /// below the block's largest magnitude.
    /// </summary>
    Dynamic8,

    /// <summary>One byte, in equal steps up to the block's largest magnitude.</summary>
    Linear8,
}

/// <summary>Size, name and element types of each <see cref="StateFormat"/>.</summary>
public static class StateFormats
{
    /// <summary>Bytes of an element, with its part of its block's scale.</summary>
    public static double BytesPerElement(this StateFormat format)
    {
        DType dtype = format.DTypeOf(signed: true);
        return dtype.SizeInBytes() + (dtype.IsBlockCode() ? (double)sizeof(float) / DTypes.BlockElements : 0);
    }

    /// <summary>The name, such as "bfloat16".</summary>
    public static string Name(this StateFormat format) => format.ToString().ToLowerInvariant();

    /// <summary>The element type of a column.</summary>
    /// <param name="format">The format.</param>
    /// <param name="signed">Whether values may be negative: Adam's second moments are not, and have maps of their
    /// own.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is no format.</exception>
    public static DType DTypeOf(this StateFormat format, bool signed) =>
        format switch
        {
            StateFormat.Float32 => DType.Float32,
            StateFormat.BFloat16 => DType.BFloat16,
            StateFormat.Dynamic8 => signed ? DType.Int8Dynamic : DType.UInt8Dynamic,
            StateFormat.Linear8 => signed ? DType.Int8Linear : DType.UInt8Linear,
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, "The value is no format of states."),
        };
}
