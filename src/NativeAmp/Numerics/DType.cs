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
}
