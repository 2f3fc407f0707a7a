using System.Diagnostics.CodeAnalysis;

namespace NativeAmp.Training.Checkpoints;

/// <summary>Element types of a safetensors file that are read and written here; their names are the format's.</summary>
[SuppressMessage("Naming", "CA1008", Justification = "The format has no type that means none.")]
public enum SafetensorsDType
{
    /// <summary>IEEE binary32.</summary>
    F32 = 1,

    /// <summary>IEEE binary16.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>Unsigned byte.</summary>
    U8,
}

/// <summary>Facts of the element types.</summary>
internal static class SafetensorsDTypes
{
    public static int Size(this SafetensorsDType dtype) => dtype switch
    {
        SafetensorsDType.F32 or SafetensorsDType.I32 => 4,
        SafetensorsDType.F16 or SafetensorsDType.BF16 => 2,
        SafetensorsDType.I64 => 8,
        SafetensorsDType.U8 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not an element type of safetensors."),
    };

    public static bool TryParse(string? name, out SafetensorsDType dtype)
    {
        (bool known, dtype) = name switch
        {
            "F32" => (true, SafetensorsDType.F32),
            "F16" => (true, SafetensorsDType.F16),
            "BF16" => (true, SafetensorsDType.BF16),
            "I32" => (true, SafetensorsDType.I32),
            "I64" => (true, SafetensorsDType.I64),
            "U8" => (true, SafetensorsDType.U8),
            _ => (false, default),
        };
        return known;
    }
}
