using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

public class UnscaleCheckAlternatives : AlternativesBenchmark
{
    private const float InverseScale = 1f / 65536;
    private float[] _widened = [];

    internal override StepKernel Kernel => StepKernel.UnscaleAndCheck;

    public override void Setup()
    {
        base.Setup();
        _widened = new float[Gradients.Length];
    }

    // A sum of squares is finite only if all elements are (or it overflows, which counts as an overflow too).
    [Benchmark(Description = "TensorPrimitives")]
    public override void Primitives()
    {
        TensorPrimitives.ConvertToSingle(Gradients, _widened);
        TensorPrimitives.Multiply(_widened, InverseScale, _widened);
        Sum = TensorPrimitives.Norm<float>(_widened);
    }

    [Benchmark(Description = "loop")]
    public override void Loop() => Sum = SumOfSquares(0, Gradients.Length);

    [Benchmark(Description = "Parallel.For of a loop")]
    public override void ParallelFor() => AddInParallel(SumOfSquares);

    private double SumOfSquares(int begin, int count)
    {
        double sum = 0;
        foreach (Half gradient in Gradients.AsSpan(begin, count))
        {
            float unscaled = (float)gradient * InverseScale;
            if (!float.IsFinite(unscaled))
                return double.NaN;
            sum += unscaled * unscaled;
        }
        return sum;
    }
}
