using BenchmarkDotNet.Attributes;
using NativeAmp.Training;

namespace NativeAmp.Benchmarks;

/// <summary>
/// A whole training step of the command's networks over made-up data: forward, scaled backward, check, AdamW.
/// </summary>
public class TrainingStepBenchmark : DeviceBenchmark
{
    private Module _model = null!;
    private FusedAdam _optimizer = null!;
    private GradScaler _scaler = null!;
    private PrecisionPolicy _policy = null!;
    private Tensor _inputs = null!,
        _labels = null!;

    [Params("cnn", "gpt")]
    public string Model { get; set; } = "";

    [ParamsSource(nameof(Kinds))]
    public DeviceKind Kind { get; set; }

    [Params(DType.Float32, DType.Float16, DType.BFloat16)]
    public DType Compute { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Open(Kind);
        var random = new RandomGenerator(1);
        var draw = new Random(1);
        int batch =
            Scenario.Smoke ? 1
            : Model == "cnn" ? 128
            : 16;
        if (Model == "cnn")
        {
            _model = Models.Cnn(random).To(Device);
            _inputs = Tensor.From(Device, Initializers.Normal(1)([batch, 1, 28, 28], random), [batch, 1, 28, 28]);
            _labels = Tensor.From(Device, Labels(batch, 10), [batch]);
        }
        else
        {
            var options = new GptOptions { Context = Scenario.Smoke ? 8 : 128 };
            _model = Models.Gpt(options, random).To(Device);
            _inputs = Tensor.From(Device, Labels(batch * options.Context, 256), [batch, options.Context]);
            _labels = Tensor.From(Device, Labels(batch * options.Context, 256), [batch, options.Context]);
        }
        _policy = Compute switch
        {
            DType.Float16 => PrecisionPolicy.Float16,
            DType.BFloat16 => PrecisionPolicy.BFloat16,
            _ => PrecisionPolicy.Float32,
        };
        _optimizer = new FusedAdam(_model.Parameters(), new AdamOptions());
        _scaler = new GradScaler(
            Device,
            _policy.NeedsLossScale ? GradScalerOptions.PyTorch : GradScalerOptions.Disabled
        );

        int[] Labels(int count, int classes) => [.. Enumerable.Range(0, count).Select(_ => draw.Next(classes))];
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _scaler.Dispose();
        _optimizer.Dispose();
        _model.Dispose();
        _inputs.Dispose();
        _labels.Dispose();
        Close();
    }

    [Benchmark]
    public void Step()
    {
        using (Autocast.Enter(_policy))
            _scaler.Scale(Loss.CrossEntropy(_model.Forward(_inputs), _labels)).Backward();
        _scaler.Step(_optimizer);
        _scaler.Update();
        _optimizer.ZeroGrad();
    }
}
