using BenchmarkDotNet.Attributes;

namespace NativeAmp.Benchmarks;

/// <summary>
/// The optimizer's part of a mixed-precision step over 64 Mi parameters in 64 tensors: check and measure FP16 gradients, then unscale, AdamW and
/// the FP16 copy in one pass. 30 bytes a parameter. Its peer is <c>torch-peer bench 64 2</c>, line "amp step".
/// </summary>
[MemoryDiagnoser]
[SimpleJob(warmupCount: 3, iterationCount: 25, invocationCount: 1)]
public class FusedStepBenchmark
{
    private const int Tensors = 64;
    private const long PerTensor = 1 << 20;

    private readonly List<BufferParameter> _parameters = [];
    private Device _device = null!;
    private FusedAdam _optimizer = null!;
    private GradScaler _scaler = null!;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params(DType.Float16, DType.BFloat16)]
    public DType Half { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Cpu(Threads);
        var random = new Random(1);
        for (int i = 0; i < Tensors; i++) _parameters.Add(new BufferParameter(_device, $"tensor{i}", PerTensor, Half, random));
        _optimizer = new FusedAdam(_parameters, new AdamOptions { LearningRate = 1e-3f, WeightDecay = 0.01f });
        _scaler = new GradScaler(_device, GradScalerOptions.PyTorch);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _scaler.Dispose();
        _optimizer.Dispose();
        foreach (var parameter in _parameters) parameter.Dispose();
        _device.Dispose();
    }

    [Benchmark(Description = "check + unscale + AdamW + half copy, 64 Mi")]
    public void Step()
    {
        _scaler.Step(_optimizer);
        _scaler.Update();
    }
}
