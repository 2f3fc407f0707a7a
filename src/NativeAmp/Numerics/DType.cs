using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>The type of a tensor's elements.</summary>
public enum DType
{
    /// <summary>No type: there is no tensor.</summary>
    None = NampDtype.DtypeNone,

    /// <summary>IEEE binary32, <see cref="float"/>.</summary>
    Float32 = NampDtype.Float32,

    /// <summary>IEEE binary16, <see cref="Half"/>.</summary>
    Float16 = NampDtype.Float16,

    /// <summary>The upper half of a binary32, <see cref="NativeAmp.BFloat16"/>.</summary>
    BFloat16 = NampDtype.Bfloat16,

    /// <summary>Two's complement, <see cref="int"/>.</summary>
    Int32 = NampDtype.Int32,

    /// <summary><see cref="byte"/>.</summary>
    UInt8 = NampDtype.Uint8,

    /// <summary>
    /// E4M3 of the OCP 8-bit specification, to 448, with NaN and no infinity: PyTorch's <c>float8_e4m3fn</c>. Casts
    /// read and write it, and optimizers take gradients of it; <see cref="NumberFormat.Float8E4M3"/> gives the value of
    /// a code.
    /// </summary>
    Float8E4M3 = NampDtype.Float8E4m3,

    /// <summary>
    /// E5M2 of the OCP 8-bit specification, to 57,344: PyTorch's <c>float8_e5m2</c>. As <see cref="Float8E4M3"/>, for
    /// casts and gradients.
    /// </summary>
    Float8E5M2 = NampDtype.Float8E5m2,

    /// <summary>
    /// Signed codes of 8 bits in blocks of <see cref="DTypes.BlockElements"/> with a float32 scale each, by the dynamic
    /// map of 8-bit optimizers (bitsandbytes' create_dynamic_map). Casts read and write it from and to float32; the
    /// cell's scale pointer is that of the blocks' scales.
    /// </summary>
    Int8Dynamic = NampDtype.Int8Dynamic,

    /// <summary>The same for values that are never negative.</summary>
    UInt8Dynamic = NampDtype.Uint8Dynamic,

    /// <summary>As <see cref="Int8Dynamic"/>, in equal steps of a 127th of the block's scale.</summary>
    Int8Linear = NampDtype.Int8Linear,

    /// <summary>As <see cref="UInt8Dynamic"/>, in equal steps of a 255th of the block's scale.</summary>
    UInt8Linear = NampDtype.Uint8Linear,

    /// <summary>
    /// Two's complement, <see cref="short"/>: what a float32 master has beside its bfloat16 parameter
    /// (<see cref="MasterFormat.Remainder"/>).
    /// </summary>
    Int16 = NampDtype.Int16,
}
