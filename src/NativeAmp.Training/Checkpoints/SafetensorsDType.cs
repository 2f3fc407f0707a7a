using System.Diagnostics.CodeAnalysis;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// Element types of the safetensors format, by the format's names. <see cref="SafetensorsReader"/> opens files with any
/// of them and gives their bytes; NativeAmp computes with F32, F16, BF16 and I32.
/// </summary>
[SuppressMessage("Naming", "CA1008", Justification = "The format has no type that means none.")]
[SuppressMessage("Naming", "CA1707", Justification = "The names are the format's.")]
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

    /// <summary>A byte that is 0 or 1.</summary>
    BOOL,

    /// <summary>Signed byte.</summary>
    I8,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Unsigned 16-bit integer.</summary>
    U16,

    /// <summary>Unsigned 32-bit integer.</summary>
    U32,

    /// <summary>Unsigned 64-bit integer.</summary>
    U64,

    /// <summary>IEEE binary64.</summary>
    F64,

    /// <summary>Complex number of two IEEE binary32.</summary>
    C64,

    /// <summary>8-bit float with 4 bits of exponent and 3 of fraction.</summary>
    F8_E4M3,

    /// <summary>8-bit float with 5 bits of exponent and 2 of fraction.</summary>
    F8_E5M2,

    /// <summary>8-bit power of two, a scale of microscaling formats.</summary>
    F8_E8M0,

    /// <summary>8-bit float with 4 bits of exponent and 3 of fraction, without infinities and negative zero.</summary>
    F8_E4M3FNUZ,

    /// <summary>8-bit float with 5 bits of exponent and 2 of fraction, without infinities and negative zero.</summary>
    F8_E5M2FNUZ,

    /// <summary>6-bit float with 2 bits of exponent and 3 of fraction, packed.</summary>
    F6_E2M3,

    /// <summary>6-bit float with 3 bits of exponent and 2 of fraction, packed.</summary>
    F6_E3M2,

    /// <summary>4-bit float with 2 bits of exponent and 1 of fraction, packed.</summary>
    F4,
}

/// <summary>Facts of the element types.</summary>
internal static class SafetensorsDTypes
{
    /// <summary>Bits of an element; those of a tensor together are whole bytes.</summary>
    public static int Bits(this SafetensorsDType dtype) =>
        dtype switch
        {
            SafetensorsDType.F64 or SafetensorsDType.I64 or SafetensorsDType.U64 or SafetensorsDType.C64 => 64,
            SafetensorsDType.F32 or SafetensorsDType.I32 or SafetensorsDType.U32 => 32,
            SafetensorsDType.F16 or SafetensorsDType.BF16 or SafetensorsDType.I16 or SafetensorsDType.U16 => 16,
            SafetensorsDType.F6_E2M3 or SafetensorsDType.F6_E3M2 => 6,
            SafetensorsDType.F4 => 4,
            _ when Enum.IsDefined(dtype) => 8,
            _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not an element type of safetensors."),
        };

    // By exact name: Enum.TryParse would take numbers too.
    private static readonly Dictionary<string, SafetensorsDType> ByName = Enum.GetValues<SafetensorsDType>()
        .ToDictionary(dtype => dtype.ToString(), StringComparer.Ordinal);

    public static string Names { get; } = string.Join(", ", ByName.Keys);

    public static bool TryParse(string? name, out SafetensorsDType dtype)
    {
        dtype = default;
        return name is not null && ByName.TryGetValue(name, out dtype);
    }
}
