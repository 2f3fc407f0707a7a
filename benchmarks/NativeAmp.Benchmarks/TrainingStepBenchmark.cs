using BenchmarkDotNet.Attributes;

namespace NativeAmp.Benchmarks;

/// <summary>A whole training step of the command's networks over made-up data.</summary>
public class TrainingStepBenchmark : DeviceBenchmark
{
    private TrainingStep _step = null!;

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
        _step = new TrainingStep(Device, Model, Compute);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _step.Dispose();
        Close();
    }

    [Benchmark]
    public void Step() => _step.Run();
}
