using BenchmarkDotNet.Running;

namespace NativeAmp.Benchmarks;

/// <summary>
/// The ratio of a benchmark's time to that of something else over the same tensors, measured in turns: the median of
/// the turns' ratios.
/// </summary>
internal sealed record InTurns
{
    private static readonly Dictionary<(Type Class, Scenario Scenario, string Method), InTurns> Known = [];

    /// <summary>Time of its limit divided by its time.</summary>
    public double? FractionOfLimit { get; init; }

    /// <summary>Time of a copy on the device divided by its time.</summary>
    public double? FractionOfCopy { get; init; }

    /// <summary>Its time divided by that of NativeAmp's kernel.</summary>
    public double? TimesNativeAmp { get; init; }

    /// <summary>Keeps the measurements for the columns of the summary.</summary>
    public static void Keep(StepBenchmark benchmark, string method, InTurns figures)
    {
        // BenchmarkDotNet runs a class that it derives from ours.
        Type type = benchmark.GetType();
        while (type.Assembly != typeof(InTurns).Assembly)
            type = type.BaseType!;
        Known[(type, benchmark.Scenario, method)] = figures;
    }

    /// <summary>The measurement of a benchmark, if it ran.</summary>
    public static InTurns? Of(BenchmarkCase benchmark) =>
        benchmark.Parameters[nameof(StepBenchmark.Scenario)] is Scenario scenario
            ? Known.GetValueOrDefault((benchmark.Descriptor.Type, scenario, benchmark.Descriptor.WorkloadMethod.Name))
            : null;
}
