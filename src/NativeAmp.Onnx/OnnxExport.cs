using NativeAmp.Onnx.Writing;
using NativeAmp.Training;
using NativeAmp.Training.Export;

namespace NativeAmp.Onnx;

/// <summary>
/// Writes a model in inference as an ONNX file. It knows NativeAmp's modules (<see cref="Sequential"/>,
/// <see cref="Gpt"/> and their parts) and every <see cref="IOnnxModule"/>. Names of initializers are those of the
/// parameters; a linear layer's matrix is transposed, with ".transposed" after its name.
/// </summary>
public static class OnnxExport
{
    /// <summary>The version of ONNX's operators that files use; ONNX Runtime has it from 1.17 on.</summary>
    public const int Opset = 20;

    /// <summary>The version of the file format that belongs to <see cref="Opset"/>.</summary>
    public const int IrVersion = 9;

    /// <summary>
    /// Writes a model, and returns its files: the model's, and that of its data where there is one
    /// (<see cref="OnnxExportOptions.ExternalData"/>). A crash leaves the old model or the new one, or with a file of
    /// data perhaps none; never one with another's data.
    /// </summary>
    /// <param name="model">The model. Its mode (training or evaluation) stays; the file is of evaluation.</param>
    /// <param name="sample">The shape of one sample, without the batch: [1, 28, 28] for small images, [784] for
    /// rows of 784 numbers, [time] for tokens.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">Precision, names and free dimensions; null for float32 and a free batch.</param>
    /// <exception cref="ExportException">A module has no export, a weight does not fit float16, the model is larger
    /// than one file can be without one of data, or cannot compute a sample of this shape. No file was
    /// written.</exception>
    /// <exception cref="ArgumentException">The options do not fit the sample.</exception>
    /// <exception cref="InvalidOperationException">The model is on no device.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static IReadOnlyList<string> Save(Module model, Shape sample, string path, OnnxExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new OnnxExportOptions();
        DType inputType = options.Input ?? (TakesTokens(model) ? DType.Int32 : DType.Float32);
        Check(sample, options, inputType);

        var graph = new OnnxGraph(model, options.Precision);
        bool casts = inputType == DType.Float32 && graph.ElementType != OnnxElementType.Float32;
        string first = casts ? graph.Cast(options.InputName, graph.ElementType) : options.InputName;
        string last = graph.Export(model, first);
        if (graph.ElementType != OnnxElementType.Float32)
            last = graph.Cast(last, OnnxElementType.Float32);
        graph.Output(last, options.OutputName);

        (OnnxDimension[] input, OnnxDimension[] output) = ShapeProbe.Dimensions(model, sample, inputType, options);
        OnnxElementType given = inputType == DType.Int32 ? OnnxElementType.Int64 : OnnxElementType.Float32;
        return OnnxModelFile.Write(
            path,
            graph,
            (
                new OnnxValue(options.InputName, given, input),
                new OnnxValue(options.OutputName, OnnxElementType.Float32, output)
            ),
            options.Metadata,
            options.ExternalData
        );
    }

    /// <summary>
    /// Writes a language model: from int64 "input_ids" [batch, time] to float32 "logits" [batch, time, vocabulary],
    /// with any batch and any time up to the context. Names and free dimensions of the options are not used. Returns
    /// the model's files.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">The precision, and whether there is a file of data; null for float32, and one where the
    /// model needs it.</param>
    /// <exception cref="ExportException">A weight does not fit float16, or the model is larger than one file can be
    /// without one of data. No file was written.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static IReadOnlyList<string> Save(Gpt model, string path, OnnxExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        var free = new Dictionary<int, string> { [0] = "batch" };
        if (model.Options.Context > 1)
            free.Add(1, "time");
        return Save(
            model,
            [1],
            path,
            (options ?? new OnnxExportOptions()) with
            {
                Input = DType.Int32,
                InputName = "input_ids",
                OutputName = "logits",
                FreeDimensions = free,
            }
        );
    }

    private static bool TakesTokens(Module module) =>
        module is Embedding or Gpt || (module is Sequential { Count: > 0 } chain && TakesTokens(chain[0]));

    private static void Check(Shape sample, OnnxExportOptions options, DType inputType)
    {
        if (!Enum.IsDefined(options.Precision))
            throw new ArgumentException($"{options.Precision} is not a precision of ONNX files.", nameof(options));
        if (inputType is not (DType.Float32 or DType.Int32))
            throw new ArgumentException($"The input is Float32 or Int32 (tokens), not {inputType}.", nameof(options));
        if (sample.Count == 0)
            throw new ArgumentException($"A sample of {sample} has no elements.", nameof(sample));
        if (string.IsNullOrEmpty(options.InputName) || string.IsNullOrEmpty(options.OutputName))
            throw new ArgumentException("The input and the output need names.", nameof(options));
        if (options.InputName == options.OutputName)
            throw new ArgumentException($"Input and output are both named '{options.InputName}'.", nameof(options));
        foreach ((int dimension, string name) in options.FreeDimensions)
        {
            if (dimension < 0 || dimension > sample.Rank)
                throw new ArgumentException(
                    $"Dimension {dimension} is free, but the input, a batch of {sample}, has {sample.Rank + 1}.",
                    nameof(options)
                );
            if (string.IsNullOrEmpty(name))
                throw new ArgumentException($"The free dimension {dimension} needs a name.", nameof(options));
        }
    }
}
