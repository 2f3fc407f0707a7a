using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

public class CastAlternatives : AlternativesBenchmark
{
    internal override StepKernel Kernel => StepKernel.Cast;

    [Benchmark(Description = "TensorPrimitives")]
    public override void Primitives() => TensorPrimitives.ConvertToHalf(Parameters, Copies);

    [Benchmark(Description = "loop")]
    public override void Loop()
    {
        for (int i = 0; i < Parameters.Length; i++)
            Copies[i] = (Half)Parameters[i];
    }

    [Benchmark(Description = "Parallel.For of TensorPrimitives")]
    public override void ParallelFor() =>
        InParallel(
            (begin, count) => TensorPrimitives.ConvertToHalf(Parameters.AsSpan(begin, count), Copies.AsSpan(begin))
        );
}
