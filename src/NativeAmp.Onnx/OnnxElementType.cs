using System.Diagnostics.CodeAnalysis;

namespace NativeAmp.Onnx;

/// <summary>Element types of values, with ONNX's own numbers (TensorProto.DataType).</summary>
[SuppressMessage("Naming", "CA1720", Justification = "They are types.")]
public enum OnnxElementType
{
    /// <summary>No type.</summary>
    None = 0,

    /// <summary>IEEE binary32.</summary>
    Float32 = 1,

    /// <summary>Unsigned byte.</summary>
    UInt8 = 2,

    /// <summary>Signed byte.</summary>
    Int8 = 3,

    /// <summary>Signed 64-bit integer.</summary>
    Int64 = 7,

    /// <summary>IEEE binary16.</summary>
    Float16 = 10,
}
