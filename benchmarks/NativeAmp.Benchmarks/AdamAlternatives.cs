using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

/// <summary>AdamW over half-precision gradients as a .NET user would write it.</summary>
public class AdamAlternatives : AlternativesBenchmark
{
    private const float Beta1 = 0.9f,
        Beta2 = 0.999f,
        Epsilon = 1e-8f,
        LearningRate = 1e-3f,
        Decay = 1 - LearningRate * 0.01f;

    private float[] _first = [];
    private float[] _second = [];
    private float[] _gradient = [];
    private float[] _update = [];

    internal override StepKernel Kernel => StepKernel.Adam;

    public override void Setup()
    {
        base.Setup();
        _first = new float[Parameters.Length];
        _second = new float[Parameters.Length];
        _gradient = new float[Parameters.Length];
        _update = new float[Parameters.Length];
    }

    [Benchmark(Description = "TensorPrimitives")]
    public override void Primitives() => StepByPrimitives(0, Parameters.Length);

    [Benchmark(Description = "loop")]
    public override void Loop() => StepByLoop(0, Parameters.Length);

    [Benchmark(Description = "Parallel.For of a loop")]
    public override void ParallelFor() => InParallel(StepByLoop);

    private void StepByPrimitives(int begin, int count)
    {
        Span<float> p = Parameters.AsSpan(begin, count),
            m = _first.AsSpan(begin, count),
            v = _second.AsSpan(begin, count);
        Span<float> g = _gradient.AsSpan(begin, count),
            update = _update.AsSpan(begin, count);
        TensorPrimitives.ConvertToSingle(Gradients.AsSpan(begin, count), g);
        TensorPrimitives.Multiply(p, Decay, p);
        TensorPrimitives.Multiply(m, Beta1, m);
        TensorPrimitives.MultiplyAdd(g, 1 - Beta1, m, m);
        TensorPrimitives.Multiply(v, Beta2, v);
        TensorPrimitives.Multiply(g, g, g);
        TensorPrimitives.MultiplyAdd(g, 1 - Beta2, v, v);
        TensorPrimitives.Sqrt(v, update);
        TensorPrimitives.Add(update, Epsilon, update);
        TensorPrimitives.Divide(m, update, update);
        TensorPrimitives.MultiplyAdd(update, -LearningRate, p, p);
        TensorPrimitives.ConvertToHalf(p, Copies.AsSpan(begin, count));
    }

    private void StepByLoop(int begin, int count)
    {
        for (int i = begin; i < begin + count; i++)
        {
            float g = (float)Gradients[i];
            float m = _first[i] = Beta1 * _first[i] + (1 - Beta1) * g;
            float v = _second[i] = Beta2 * _second[i] + (1 - Beta2) * g * g;
            float p = Parameters[i] = Decay * Parameters[i] - LearningRate * m / (MathF.Sqrt(v) + Epsilon);
            Copies[i] = (Half)p;
        }
    }
}
