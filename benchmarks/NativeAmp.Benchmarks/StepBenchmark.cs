using BenchmarkDotNet.Attributes;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

/// <summary>
/// A kernel of a step. After BenchmarkDotNet's iterations, which time it alone, it is timed once more in turns with its
/// limit, the same loads and stores without arithmetic on the same threads, and on a GPU with a copy on the device.
/// </summary>
public abstract class StepBenchmark : DeviceBenchmark
{
    private RotatedTensors _tensors = null!;
    private StepTensors[] _copies = [];
    private int _calls;

    public virtual IEnumerable<Scenario> Scenarios =>
        Scenario.All.Where(scenario => Kernel.Takes(scenario.Shape.DType));

    [ParamsSource(nameof(Scenarios))]
    public Scenario Scenario { get; set; } = null!;

    internal abstract StepKernel Kernel { get; }

    /// <summary>The time of a comparison in turns.</summary>
    protected static double SecondsInTurns => Scenario.Smoke ? 0.001 : 0.4;

    [GlobalSetup]
    public virtual void Setup()
    {
        Open(Scenario.Kind, Scenario.Threads);
        _tensors = new RotatedTensors(Device, Scenario.Shape);
        _copies = _tensors.For(Kernel);
        _calls = 0;
    }

    [GlobalCleanup]
    public void Cleanup() =>
        Finish(
            nameof(NativeAmp),
            timer =>
            {
                BenchRow row = BenchRun.Measure(timer, Kernel, _tensors, SecondsInTurns);
                return new InTurns { FractionOfLimit = row.FractionOfLimit, FractionOfCopy = row.FractionOfCopy };
            }
        );

    [Benchmark]
    public void NativeAmp()
    {
        Kernel.Run(_copies[_calls]);
        if (++_calls == _copies.Length)
            _calls = 0;
    }

    private protected void Finish(string method, Func<InterleavedTimer, InTurns> measure)
    {
        using (var timer = new InterleavedTimer(Device))
            InTurns.Keep(this, method, measure(timer));
        _tensors.Dispose();
        Close();
    }
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
