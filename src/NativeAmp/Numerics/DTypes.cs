using System.Diagnostics.CodeAnalysis;

namespace NativeAmp;

/// <summary>Size, name and uses of each <see cref="DType"/>.</summary>
public static class DTypes
{
    // Names are PyTorch's and NumPy's; the aliases are accepted when parsing.
    private static readonly (DType DType, int Bytes, string Name, string[] Aliases)[] All =
    [
        (DType.Float32, 4, "float32", ["fp32", "f32", "float", "single"]),
        (DType.Float16, 2, "float16", ["fp16", "f16", "half"]),
        (DType.BFloat16, 2, "bfloat16", ["bf16"]),
        (DType.Int32, 4, "int32", ["i32", "int"]),
        (DType.UInt8, 1, "uint8", ["u8", "byte"]),
        (DType.Float8E4M3, 1, "float8_e4m3fn", ["fp8-e4m3", "e4m3"]),
        (DType.Float8E5M2, 1, "float8_e5m2", ["fp8-e5m2", "e5m2"]),
        (DType.Int8Dynamic, 1, "int8_dynamic", []),
        (DType.UInt8Dynamic, 1, "uint8_dynamic", []),
        (DType.Int8Linear, 1, "int8_linear", []),
        (DType.UInt8Linear, 1, "uint8_linear", []),
        (DType.Int16, 2, "int16", ["i16", "short"]),
    ];

    /// <summary>Elements that share a scale in a type of codes in blocks.</summary>
    public const int BlockElements = 256;

    /// <summary>Whether its elements are codes in blocks, each with a scale.</summary>
    public static bool IsBlockCode(this DType dtype) =>
        dtype is DType.Int8Dynamic or DType.UInt8Dynamic or DType.Int8Linear or DType.UInt8Linear;

    /// <summary>Number of blocks, and so of scales, of a tensor of codes in blocks.</summary>
    /// <param name="count">The tensor's elements, 0 or more.</param>
    public static long Blocks(long count) => count / BlockElements + (count % BlockElements == 0 ? 0 : 1);

    /// <summary>Bytes of one element.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is no element type.</exception>
    public static int SizeInBytes(this DType dtype)
    {
        foreach (var entry in All)
        {
            if (entry.DType == dtype)
                return entry.Bytes;
        }
        throw Unknown(dtype);
    }

    /// <summary>Whether operators compute with it: float32, float16 or bfloat16.</summary>
    public static bool IsComputeType(this DType dtype) => dtype is DType.Float32 or DType.Float16 or DType.BFloat16;

    /// <summary>
    /// Whether optimizers take gradients of it: <see cref="IsComputeType">what operators compute with</see>, and FP8.
    /// </summary>
    public static bool IsGradientType(this DType dtype) =>
        dtype.IsComputeType() || dtype is DType.Float8E4M3 or DType.Float8E5M2;

    /// <summary>Whether it is float16 or bfloat16.</summary>
    public static bool IsHalfPrecision(this DType dtype) => dtype is DType.Float16 or DType.BFloat16;

    /// <summary>
    /// The type that holds every value of both: their own if they are equal, else float32. Both must be types that
    /// operators compute with.
    /// </summary>
    /// <exception cref="ArgumentException">Operators do not compute with one of them.</exception>
    public static DType Widest(DType left, DType right) =>
        left.IsComputeType() && right.IsComputeType()
            ? left == right
                ? left
                : DType.Float32
            : throw new ArgumentException(
                $"{left} and {right} have no common type; only float32, float16 and bfloat16 have."
            );

    /// <summary>The usual name, such as <c>float32</c>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is no element type.</exception>
    public static string Name(this DType dtype)
    {
        foreach (var entry in All)
        {
            if (entry.DType == dtype)
                return entry.Name;
        }
        throw Unknown(dtype);
    }

    /// <summary>
    /// The element type of a .NET type: <see cref="float"/>, <see cref="Half"/>, <see cref="BFloat16"/>,
    /// <see cref="int"/>, <see cref="short"/>, <see cref="byte"/>.
    /// </summary>
    /// <exception cref="ArgumentException">The type is none of them.</exception>
    public static DType Of<T>()
        where T : unmanaged
    {
        if (typeof(T) == typeof(float))
            return DType.Float32;
        if (typeof(T) == typeof(Half))
            return DType.Float16;
        if (typeof(T) == typeof(BFloat16))
            return DType.BFloat16;
        if (typeof(T) == typeof(int))
            return DType.Int32;
        if (typeof(T) == typeof(byte))
            return DType.UInt8;
        if (typeof(T) == typeof(short))
            return DType.Int16;
        throw new ArgumentException(
            $"{typeof(T)} is no element type of a tensor; these are float, Half, BFloat16, int, short and byte."
        );
    }

    /// <summary>
    /// Whether the .NET type holds elements of this type: its own .NET type, or bytes for the codes of a one-byte type.
    /// </summary>
    internal static bool Holds<T>(this DType dtype)
        where T : unmanaged => Of<T>() == dtype || (typeof(T) == typeof(byte) && dtype.SizeInBytes() == 1);

    /// <summary>Reads a name such as <c>float16</c>, <c>fp16</c> or <c>bf16</c>, in any case.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out DType dtype)
    {
        string name = text?.Trim().ToLowerInvariant() ?? "";
        foreach (var entry in All)
        {
            if (entry.Name != name && !entry.Aliases.Contains(name))
                continue;
            dtype = entry.DType;
            return true;
        }
        dtype = DType.None;
        return false;
    }

    /// <summary>Reads a name such as <c>float16</c>, <c>fp16</c> or <c>bf16</c>, in any case.</summary>
    /// <exception cref="FormatException">There is no such element type.</exception>
    public static DType Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var dtype)
            ? dtype
            : throw new FormatException(
                $"'{text}' is no element type; these are {string.Join(", ", All.Select(e => e.Name))}."
            );
    }

    private static ArgumentOutOfRangeException Unknown(DType dtype) =>
        new(nameof(dtype), dtype, "The value is no element type of a tensor.");
}
