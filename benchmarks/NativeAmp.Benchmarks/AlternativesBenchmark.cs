using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;

namespace NativeAmp.Benchmarks;

/// <summary>
/// A kernel and the alternatives that a .NET user could write, over arrays of the same size. After its iterations each
/// alternative is timed in turns with the kernel. The loop and TensorPrimitives use one thread in every scenario.
/// Results are kept, so that the compiler removes nothing as unused.
/// </summary>
public abstract class AlternativesBenchmark : StepBenchmark
{
    // Parts of an array for Parallel.For: one element per call would cost more than the work.
    private const int Part = 1 << 14;

    public override IEnumerable<Scenario> Scenarios => Scenario.ForAlternatives;

    protected float[] Parameters { get; private set; } = [];

    protected Half[] Gradients { get; private set; } = [];

    protected Half[] Copies { get; private set; } = [];

    /// <summary>The sums of a pass over gradients.</summary>
    protected double Sum { get; set; }

    public abstract void Primitives();

    public abstract void Loop();

    public abstract void ParallelFor();

    [GlobalCleanup(Target = nameof(Primitives))]
    public void CleanupPrimitives() => Compare(nameof(Primitives), Primitives);

    [GlobalCleanup(Target = nameof(Loop))]
    public void CleanupLoop() => Compare(nameof(Loop), Loop);

    [GlobalCleanup(Target = nameof(ParallelFor))]
    public void CleanupParallelFor() => Compare(nameof(ParallelFor), ParallelFor);

    public override void Setup()
    {
        base.Setup();
        int count = (int)Scenario.Shape.Count;
        Parameters = new float[count];
        Gradients = new Half[count];
        Copies = new Half[count];
        var random = new Random(1);
        foreach (ref float parameter in Parameters.AsSpan())
            parameter = random.NextSingle() - 0.5f;
        TensorPrimitives.ConvertToHalf(Parameters, Gradients);
    }

    /// <summary>Distributes the parts over threads.</summary>
    protected void InParallel(Action<int, int> body) =>
        Parallel.For(
            0,
            (Parameters.Length + Part - 1) / Part,
            new ParallelOptions { MaxDegreeOfParallelism = Scenario.Threads },
            part => body(part * Part, Math.Min(Part, Parameters.Length - part * Part))
        );

    /// <summary>Adds the results of all parts.</summary>
    protected void AddInParallel(Func<int, int, double> body)
    {
        double sum = 0;
        var gate = new Lock();
        InParallel(
            (begin, count) =>
            {
                double part = body(begin, count);
                lock (gate)
                    sum += part;
            }
        );
        Sum = sum;
    }

    private void Compare(string method, Action alternative) =>
        Finish(
            method,
            timer => new InTurns
            {
                TimesNativeAmp =
                    1 / timer.Measure(_ => alternative(), _ => NativeAmp(), SecondsInTurns).FractionOfLimit,
            }
        );
}
