using BenchmarkDotNet.Attributes;

namespace NativeAmp.Benchmarks;

/// <summary>
/// The optimizer's part of a mixed-precision step over 64 Mi parameters, as an application calls it: check and measure
/// the gradients, then unscale, AdamW and the compute copy in one pass. 30 bytes per parameter. Its peer is
/// <c>torch-peer bench 64 2</c>, line "amp step".
/// </summary>
public class FusedStepBenchmark : DeviceBenchmark
{
    private readonly List<BufferParameter> _parameters = [];
    private FusedAdam _optimizer = null!;
    private GradScaler _scaler = null!;

    public static IEnumerable<Scenario> Scenarios => Scenario.OfWholeSteps;

    [ParamsSource(nameof(Scenarios))]
    public Scenario Scenario { get; set; } = null!;

    [GlobalSetup]
    public void Setup()
    {
        Open(Scenario.Kind, Scenario.Threads);
        var random = new Random(1);
        long[] counts = Scenario.Shape.Counts();
        for (int i = 0; i < counts.Length; i++)
            _parameters.Add(new BufferParameter(Device, $"tensor{i}", counts[i], Scenario.Shape.DType, random));
        _optimizer = new FusedAdam(_parameters, new AdamOptions { LearningRate = 1e-3f, WeightDecay = 0.01f });
        _scaler = new GradScaler(Device, GradScalerOptions.Static(65536));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _scaler.Dispose();
        _optimizer.Dispose();
        foreach (BufferParameter parameter in _parameters)
            parameter.Dispose();
        _parameters.Clear();
        Close();
    }

    [Benchmark(Description = "check + unscale + AdamW + compute copy")]
    public void Step()
    {
        _scaler.Step(_optimizer);
        _scaler.Update();
    }
}
