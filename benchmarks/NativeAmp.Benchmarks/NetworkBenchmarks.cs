using BenchmarkDotNet.Attributes;
using NativeAmp.Training;

namespace NativeAmp.Benchmarks;

/// <summary>Matrix products and convolutions by precision, forward.</summary>
public class ProductBenchmark
{
    private Device _device = null!;
    private Tensor _a = null!, _b = null!, _images = null!, _filters = null!;

    [Params(DType.Float32, DType.Float16, DType.BFloat16)]
    public DType DType { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        int side = Scenario.Smoke ? 32 : 1024;
        int batch = Scenario.Smoke ? 1 : 128;
        _device = Device.Cpu();
        _a = Random([side, side], 1);
        _b = Random([side, side], 2);
        _images = Random([batch, 32, 14, 14], 3);
        _filters = Random([64, 32, 3, 3], 4);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (Tensor tensor in (Tensor[])[_a, _b, _images, _filters]) tensor.Dispose();
        _device.Dispose();
    }

    [Benchmark(Description = "GEMM, 1024 x 1024 x 1024")]
    public void Gemm()
    {
        using (NoGrad.Enter()) Ops.MatMul(_a, _b);
    }

    [Benchmark(Description = "3x3 convolution, 128 x 32 x 14 x 14 to 64")]
    public void Convolution()
    {
        using (NoGrad.Enter()) Ops.Conv2d(_images, _filters, null, new Conv2dOptions(Padding: 1));
    }

    private Tensor Random(Shape shape, ulong seed)
    {
        Tensor floats = Tensor.From(_device, Initialisers.Normal(1)(shape, new RandomGenerator(seed)), shape);
        if (DType == DType.Float32) return floats;
        using (floats)
        using (NoGrad.Enter()) return Ops.Cast(floats, DType).Keep();
    }
}

/// <summary>A whole training step of the command's networks over made-up data: forward, scaled backward, check, AdamW.</summary>
public class TrainingStepBenchmark
{
    private Device _device = null!;
    private Module _model = null!;
    private FusedAdam _optimizer = null!;
    private GradScaler _scaler = null!;
    private PrecisionPolicy _policy = null!;
    private Tensor _inputs = null!, _labels = null!;

    [Params("cnn", "gpt")]
    public string Model { get; set; } = "";

    [Params(DType.Float32, DType.Float16, DType.BFloat16)]
    public DType Compute { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Cpu();
        var random = new RandomGenerator(1);
        var draw = new Random(1);
        int batch = Scenario.Smoke ? 1 : Model == "cnn" ? 128 : 16;
        if (Model == "cnn")
        {
            _model = Models.Cnn(random).To(_device);
            _inputs = Tensor.From(_device, Initialisers.Normal(1)([batch, 1, 28, 28], random), [batch, 1, 28, 28]);
            _labels = Tensor.From(_device, Labels(batch, 10), [batch]);
        }
        else
        {
            var options = new GptOptions { Context = Scenario.Smoke ? 8 : 128 };
            _model = Models.Gpt(options, random).To(_device);
            _inputs = Tensor.From(_device, Labels(batch * options.Context, 256), [batch, options.Context]);
            _labels = Tensor.From(_device, Labels(batch * options.Context, 256), [batch, options.Context]);
        }
        _policy = Compute switch
        {
            DType.Float16 => PrecisionPolicy.Float16,
            DType.BFloat16 => PrecisionPolicy.BFloat16,
            _ => PrecisionPolicy.Float32,
        };
        _optimizer = new FusedAdam(_model.Parameters(), new AdamOptions());
        _scaler = new GradScaler(_device, _policy.NeedsLossScale ? GradScalerOptions.PyTorch : GradScalerOptions.Disabled);

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
        _device.Dispose();
    }

    [Benchmark]
    public void Step()
    {
        using (Autocast.Enter(_policy)) _scaler.Scale(Loss.CrossEntropy(_model.Forward(_inputs), _labels)).Backward();
        _scaler.Step(_optimizer);
        _scaler.Update();
        _optimizer.ZeroGrad();
    }
}
