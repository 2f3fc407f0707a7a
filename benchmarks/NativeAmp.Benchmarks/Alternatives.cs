using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

/// <summary>A kernel beside what a .NET user would write instead of it, over arrays of the same size.</summary>
public abstract class AlternativesBenchmark : StepBenchmark
{
    // Parts of an array that Parallel.For shares out: one a call would cost more than the work.
    private const int Part = 1 << 14;

    public override IEnumerable<Scenario> Scenarios => Scenario.ForAlternatives;

    protected float[] Parameters { get; private set; } = [];

    protected Half[] Gradients { get; private set; } = [];

    protected Half[] Copies { get; private set; } = [];

    public override void Setup()
    {
        base.Setup();
        int count = (int)Scenario.Shape.Count;
        Parameters = new float[count];
        Gradients = new Half[count];
        Copies = new Half[count];
        var random = new Random(1);
        foreach (ref float parameter in Parameters.AsSpan()) parameter = random.NextSingle() - 0.5f;
        TensorPrimitives.ConvertToHalf(Parameters, Gradients);
    }

    /// <summary>Shares parts out among threads.</summary>
    protected void InParallel(Action<int, int> body) => Parallel.For(0, (Parameters.Length + Part - 1) / Part,
        new ParallelOptions { MaxDegreeOfParallelism = Scenario.Threads }, part => body(part * Part, Math.Min(Part, Parameters.Length - part * Part)));
}

public class CastAlternatives : AlternativesBenchmark
{
    internal override StepKernel Kernel => StepKernel.Cast;

    [Benchmark(Description = "TensorPrimitives")]
    public void Primitives() => TensorPrimitives.ConvertToHalf(Parameters, Copies);

    [Benchmark]
    public void Loop()
    {
        for (int i = 0; i < Parameters.Length; i++) Copies[i] = (Half)Parameters[i];
    }

    [Benchmark(Description = "Parallel.For of TensorPrimitives")]
    public void ParallelFor() => InParallel((begin, count) => TensorPrimitives.ConvertToHalf(Parameters.AsSpan(begin, count), Copies.AsSpan(begin)));
}

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

    // A sum of squares is finite only where all of them are (or it overflows, which is an overflow as well).
    [Benchmark(Description = "TensorPrimitives")]
    public float Primitives()
    {
        TensorPrimitives.ConvertToSingle(Gradients, _widened);
        TensorPrimitives.Multiply(_widened, InverseScale, _widened);
        return TensorPrimitives.Norm<float>(_widened);
    }

    [Benchmark]
    public double Loop() => SumOfSquares(0, Gradients.Length);

    [Benchmark(Description = "Parallel.For of a loop")]
    public double ParallelFor()
    {
        double sum = 0;
        InParallel((begin, count) =>
        {
            double part = SumOfSquares(begin, count);
            lock (_widened) sum += part;
        });
        return sum;
    }

    private double SumOfSquares(int begin, int count)
    {
        double sum = 0;
        foreach (Half gradient in Gradients.AsSpan(begin, count))
        {
            float unscaled = (float)gradient * InverseScale;
            if (!float.IsFinite(unscaled)) return double.NaN;
            sum += unscaled * unscaled;
        }
        return sum;
    }
}

public class ScaledBackwardAlternatives : AlternativesBenchmark
{
    private const float Weight = 2 * 65536f;
    private readonly float[] _prediction = new float[1 << 12];
    private readonly float[] _target = new float[1 << 12];

    internal override StepKernel Kernel => StepKernel.ScaledBackward;

    // In pieces that stay in the first cache.
    [Benchmark(Description = "TensorPrimitives")]
    public float Primitives()
    {
        float loss = 0;
        for (int begin = 0; begin < Gradients.Length; begin += _prediction.Length)
        {
            int count = Math.Min(_prediction.Length, Gradients.Length - begin);
            Span<float> difference = _prediction.AsSpan(0, count), target = _target.AsSpan(0, count);
            TensorPrimitives.ConvertToSingle(Gradients.AsSpan(begin, count), difference);
            TensorPrimitives.ConvertToSingle(Copies.AsSpan(begin, count), target);
            TensorPrimitives.Subtract(difference, target, difference);
            loss += TensorPrimitives.SumOfSquares<float>(difference);
            TensorPrimitives.Multiply(difference, Weight / Gradients.Length, difference);
            TensorPrimitives.ConvertToHalf(difference, Copies.AsSpan(begin, count));
        }
        return loss / Gradients.Length;
    }

    [Benchmark]
    public float Loop() => Differences(0, Gradients.Length);

    [Benchmark(Description = "Parallel.For of a loop")]
    public void ParallelFor() => InParallel((begin, count) => Differences(begin, count));

    private float Differences(int begin, int count)
    {
        float loss = 0;
        for (int i = begin; i < begin + count; i++)
        {
            float difference = (float)Gradients[i] - (float)Copies[i];
            loss += difference * difference;
            Copies[i] = (Half)(difference * Weight);
        }
        return loss;
    }
}
