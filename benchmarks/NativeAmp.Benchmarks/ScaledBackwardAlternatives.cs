using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

public class ScaledBackwardAlternatives : AlternativesBenchmark
{
    private const float Scale = 65536;

    private readonly float[] _prediction = new float[1 << 12];
    private readonly float[] _target = new float[1 << 12];
    private Half[] _lossGradient = [];
    private float _weight;

    internal override StepKernel Kernel => StepKernel.ScaledBackward;

    public override void Setup()
    {
        base.Setup();
        _lossGradient = new Half[Gradients.Length];
        _weight = 2 * Scale / Gradients.Length;
    }

    // In pieces that stay in the first-level cache.
    [Benchmark(Description = "TensorPrimitives")]
    public override void Primitives()
    {
        float loss = 0;
        for (int begin = 0; begin < Gradients.Length; begin += _prediction.Length)
        {
            int count = Math.Min(_prediction.Length, Gradients.Length - begin);
            Span<float> difference = _prediction.AsSpan(0, count),
                target = _target.AsSpan(0, count);
            TensorPrimitives.ConvertToSingle(Gradients.AsSpan(begin, count), difference);
            TensorPrimitives.ConvertToSingle(Copies.AsSpan(begin, count), target);
            TensorPrimitives.Subtract(difference, target, difference);
            loss += TensorPrimitives.SumOfSquares<float>(difference);
            TensorPrimitives.Multiply(difference, _weight, difference);
            TensorPrimitives.ConvertToHalf(difference, _lossGradient.AsSpan(begin, count));
        }
        Sum = loss;
    }

    [Benchmark(Description = "loop")]
    public override void Loop() => Sum = Differences(0, Gradients.Length);

    [Benchmark(Description = "Parallel.For of a loop")]
    public override void ParallelFor() => AddInParallel(Differences);

    private double Differences(int begin, int count)
    {
        float loss = 0;
        for (int i = begin; i < begin + count; i++)
        {
            float difference = (float)Gradients[i] - (float)Copies[i];
            loss += difference * difference;
            _lossGradient[i] = (Half)(difference * _weight);
        }
        return loss;
    }
}
