using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace NativeAmp.Export.Tests.Onnx;

/// <summary>A file loaded by ONNX Runtime, whose loading checks it, on one thread.</summary>
internal sealed class OnnxModel : IDisposable
{
    private readonly InferenceSession _session;

    /// <summary>Loads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="roundsInputs">Whether inputs of matrices of 8-bit integers are rounded to 8 bits too, as ONNX
    /// Runtime does unless told otherwise.</param>
    public OnnxModel(string path, bool roundsInputs = true)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = 1,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
        };
        if (!roundsInputs)
            options.AddSessionConfigEntry("session.qdq_matmulnbits_accuracy_level", "1");
        _session = new InferenceSession(path, options);
    }

    public (string Name, string Dimensions, Type Type) Input => Describe(_session.InputMetadata);

    public (string Name, string Dimensions, Type Type) Output => Describe(_session.OutputMetadata);

    public IReadOnlyDictionary<string, string> Metadata => _session.ModelMetadata.CustomMetadataMap;

    public float[] Run<T>(T[] input, params int[] shape)
        where T : unmanaged
    {
        var tensor = new DenseTensor<T>(input, shape);
        using var results = _session.Run([NamedOnnxValue.CreateFromTensor(Input.Name, tensor)]);
        return results[0].AsEnumerable<float>().ToArray();
    }

    public void Dispose() => _session.Dispose();

    private static (string Name, string Dimensions, Type Type) Describe(
        IReadOnlyDictionary<string, NodeMetadata> values
    )
    {
        (string name, NodeMetadata value) = values.Single();
        IEnumerable<string> dimensions = value.Dimensions.Zip(
            value.SymbolicDimensions,
            (size, symbol) => size < 0 ? symbol : $"{size}"
        );
        return (name, string.Join(", ", dimensions), value.ElementType);
    }
}
