using BenchmarkDotNet.Attributes;

namespace NativeAmp.Benchmarks;

/// <summary>
/// The optimizer's part of a mixed-precision step over 64 Mi parameters, as an application calls it: check and measure the gradients, then unscale,
/// AdamW and the half copy in one pass. 30 bytes a parameter. Its peer is <c>torch-peer bench 64 2</c>, line "amp step".
/// </summary>
public class FusedStepBenchmark
{
    private readonly List<BufferParameter> _parameters = [];
    private Device _device = null!;
    private FusedAdam _optimizer = null!;
    private GradScaler _scaler = null!;

    public IEnumerable<int> TensorCounts => Scenario.Smoke ? [3] : [1, 64, 1000];

    [ParamsSource(nameof(TensorCounts))]
    public int Tensors { get; set; }

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params(DType.Float16, DType.BFloat16)]
    public DType Half { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Cpu(Threads);
        var random = new Random(1);
        long each = (Scenario.Smoke ? 3000 : 64 << 20) / Tensors;
        for (int i = 0; i < Tensors; i++) _parameters.Add(new BufferParameter(_device, $"tensor{i}", each, Half, random));
        _optimizer = new FusedAdam(_parameters, new AdamOptions { LearningRate = 1e-3f, WeightDecay = 0.01f });
        _scaler = new GradScaler(_device, GradScalerOptions.Static(65536));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _scaler.Dispose();
        _optimizer.Dispose();
        foreach (BufferParameter parameter in _parameters) parameter.Dispose();
        _parameters.Clear();
        _device.Dispose();
    }

    [Benchmark(Description = "check + unscale + AdamW + half copy")]
    public void Step()
    {
        _scaler.Step(_optimizer);
        _scaler.Update();
    }
}
