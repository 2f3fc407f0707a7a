using System.Collections.ObjectModel;
using NativeAmp.Training;

namespace NativeAmp.Onnx;

/// <summary>How a model is written.</summary>
public sealed record OnnxExportOptions
{
    /// <summary>Element types of weights and arithmetic.</summary>
    public OnnxPrecision Precision { get; init; } = OnnxPrecision.Float32;

    /// <summary>
    /// Type of the model's input: <see cref="DType.Float32"/>, or <see cref="DType.Int32"/> for tokens, which ONNX
    /// takes as int64. Null decides by the first module: tokens for a <see cref="Gpt"/> or an <see cref="Embedding"/>.
    /// </summary>
    public DType? Input { get; init; }

    /// <summary>
    /// Dimensions of the input whose sizes are free, with the names that the file gives them. 0 is the batch. A fixed
    /// dimension has the size of the sample.
    /// </summary>
    public IReadOnlyDictionary<int, string> FreeDimensions { get; init; } =
        new ReadOnlyDictionary<int, string>(new Dictionary<int, string> { [0] = "batch" });

    /// <summary>The input's name.</summary>
    public string InputName { get; init; } = "input";

    /// <summary>The output's name.</summary>
    public string OutputName { get; init; } = "output";

    /// <summary>
    /// Whether the numbers of large tensors are in a file of their own (ONNX's external data), with ".data" after the
    /// model's name, that has to lie beside it. Null does so for a model that is larger than the 2 GiB of one file.
    /// </summary>
    public bool? ExternalData { get; init; }

    /// <summary>Texts about the model that the file keeps, by key; readers show them, and nothing depends on
    /// them.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = ReadOnlyDictionary<string, string>.Empty;
}
