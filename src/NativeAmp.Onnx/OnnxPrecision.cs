namespace NativeAmp.Onnx;

/// <summary>The element types of an exported model. Inputs and outputs are float32 with each of them.</summary>
public enum OnnxPrecision
{
    /// <summary>Weights and arithmetic in float32: the model as it was trained.</summary>
    Float32,

    /// <summary>
    /// Weights and arithmetic in float16, for accelerators that have it. The norms' sums stay float32.
    /// </summary>
    Float16,

    /// <summary>
    /// Weights rounded to float16, half the file; each is cast to float32 in the graph, and arithmetic is float32.
    /// </summary>
    Float16Weights,
}
