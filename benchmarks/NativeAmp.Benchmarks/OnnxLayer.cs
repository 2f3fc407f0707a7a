using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using NativeAmp.Onnx;
using NativeAmp.Training;
using NativeAmp.Training.Export;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Benchmarks;

/// <summary>
/// A quantised linear layer as ONNX Runtime computes it: int8-dynamic by DynamicQuantizeLinear and MatMulInteger, as
/// ONNX Runtime's own tool for such models writes it, int4 and int4-dynamic by MatMulNBits, from the file that
/// NativeAmp exports.
/// </summary>
internal sealed class OnnxLayer : IDisposable
{
    private readonly InferenceSession _session;
    private readonly OrtValue[] _input;
    private readonly OrtValue[] _output;
    private readonly string[] _inputName;
    private readonly string[] _outputName;
    private readonly RunOptions _options = new();

    /// <summary>The layer, for an input of these values.</summary>
    public OnnxLayer(Linear layer, QuantizationKind kind, float[] input, long rows, int threads)
    {
        string path = Path.Combine(Path.GetTempPath(), $"nativeamp-{Guid.NewGuid():N}.onnx");
        try
        {
            // It isn't disposed of: the layer is its owner's.
            OnnxExport.Save(new Exported(layer, kind), [layer.Inputs], path);
            using var options = new SessionOptions
            {
                IntraOpNumThreads = threads,
                LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
            };
            // Its threads would spin on the cores that ours need in the next turn.
            options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
            _session = new InferenceSession(path, options);
        }
        finally
        {
            File.Delete(path);
        }

        _inputName = [_session.InputNames.Single()];
        _outputName = [_session.OutputNames.Single()];
        _input = [OrtValue.CreateTensorValueFromMemory(input, [rows, layer.Inputs])];
        Output = new float[rows * layer.Quantized!.Rows];
        _output = [OrtValue.CreateTensorValueFromMemory(Output, [rows, layer.Quantized!.Rows])];
    }

    /// <summary>The last output.</summary>
    public float[] Output { get; }

    /// <summary>Computes the output.</summary>
    public void Run() => _session.Run(_options, _inputName, _input, _outputName, _output);

    public void Dispose()
    {
        _options.Dispose();
        _input[0].Dispose();
        _output[0].Dispose();
        _session.Dispose();
    }

    private sealed class Exported : Module, IOnnxModule
    {
        private readonly Linear _layer;
        private readonly QuantizationKind _kind;

        public Exported(Linear layer, QuantizationKind kind)
        {
            (_layer, _kind) = (layer, kind);
            Register("layer", layer);
        }

        public string Export(OnnxGraph graph, string input)
        {
            if (_kind != QuantizationKind.Int8Dynamic)
                return graph.Export(_layer, input);
            QuantizedTensor weight = _layer.Quantized!;
            const string Codes = "codes";
            const string Scales = "scales";
            byte[] transposed = Matrices.Transpose<byte>([.. weight.Codes], weight.Rows, weight.Columns);
            graph.Tensors.Add(new(Codes, OnnxElementType.Int8, [weight.Columns, weight.Rows], () => transposed));
            byte[] scales = MemoryMarshal.AsBytes(weight.Scales.AsSpan()).ToArray();
            graph.Tensors.Add(new(Scales, OnnxElementType.Float32, [weight.Rows], () => scales));
            string[] rounded = graph.NodeOfSeveral("DynamicQuantizeLinear", [input], 3);
            string sums = graph.Node("MatMulInteger", [rounded[0], Codes, rounded[2]]);
            string scale = graph.Node("Mul", [rounded[1], Scales]);
            string product = graph.Node("Mul", [graph.Cast(sums, OnnxElementType.Float32), scale]);
            return graph.Node("Add", [product, graph.Weight(_layer.Bias!)]);
        }

        public override Tensor Forward(Tensor input) => _layer.Forward(input);
    }
}
