using System.Diagnostics.CodeAnalysis;

namespace NativeAmp.Training.Export;

/// <summary>Element types of a GGUF file's matrices, by the format's names and numbers (ggml_type).</summary>
[SuppressMessage("Naming", "CA1707", Justification = "The names are the format's.")]
public enum GgufType
{
    /// <summary>float32.</summary>
    F32 = 0,

    /// <summary>float16.</summary>
    F16 = 1,

    /// <summary>
    /// Blocks of 32 numbers: a float16 scale and 4-bit integers, 18 bytes. The token embedding, which is the head's
    /// matrix too, is Q8_0.
    /// </summary>
    Q4_0 = 2,

    /// <summary>Blocks of 32 numbers: a float16 scale and 8-bit integers, 34 bytes.</summary>
    Q8_0 = 8,

    /// <summary>bfloat16.</summary>
    BF16 = 30,
}
