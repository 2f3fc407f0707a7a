using BenchmarkDotNet.Attributes;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

/// <summary>A kernel of a step beside its limit: the same loads and stores without arithmetic, on the same threads.</summary>
public abstract class StepBenchmark
{
    private Device _device = null!;

    public virtual IEnumerable<Scenario> Scenarios => Scenario.All.Where(scenario => Kernel.Takes(scenario.Shape.DType));

    [ParamsSource(nameof(Scenarios))]
    public Scenario Scenario { get; set; } = null!;

    internal abstract StepKernel Kernel { get; }

    internal StepTensors Tensors { get; private set; } = null!;

    [GlobalSetup]
    public virtual void Setup()
    {
        _device = Device.Cpu(Scenario.Threads);
        Tensors = new StepTensors(_device, Scenario.Shape);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        Tensors.Dispose();
        _device.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Limit() => Kernel.RunLimit(Tensors);

    [Benchmark]
    public void NativeAmp() => Kernel.Run(Tensors);
}

public class CastBenchmark : StepBenchmark
{
    internal override StepKernel Kernel => StepKernel.Cast;
}

public class ScaledBackwardBenchmark : StepBenchmark
{
    internal override StepKernel Kernel => StepKernel.ScaledBackward;
}

public class UnscaleCheckBenchmark : StepBenchmark
{
    internal override StepKernel Kernel => StepKernel.UnscaleAndCheck;
}

public class AdamBenchmark : StepBenchmark
{
    internal override StepKernel Kernel => StepKernel.Adam;
}

public class AmpStepBenchmark : StepBenchmark
{
    internal override StepKernel Kernel => StepKernel.AmpStep;
}
