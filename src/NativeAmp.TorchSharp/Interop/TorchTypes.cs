using static TorchSharp.torch;

namespace NativeAmp.TorchSharp;

/// <summary>TorchSharp's element types as NativeAmp's.</summary>
internal static class TorchTypes
{
    /// <summary>The types that parameters and gradients may have.</summary>
    public const string Trainable = "Float32, Float16 and BFloat16";

    /// <summary>NativeAmp's type; null if it trains no such elements.</summary>
    public static DType? ToNativeAmp(this ScalarType type) =>
        type switch
        {
            ScalarType.Float32 => DType.Float32,
            ScalarType.Float16 => DType.Float16,
            ScalarType.BFloat16 => DType.BFloat16,
            _ => null,
        };
}
