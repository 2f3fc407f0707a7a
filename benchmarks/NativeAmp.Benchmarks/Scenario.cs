using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

/// <summary>The device, tensors and threads of a measurement.</summary>
/// <param name="Kind">The device.</param>
/// <param name="Shape">The tensors.</param>
/// <param name="Threads">Threads of the CPU; 0 on a GPU.</param>
public sealed record Scenario(DeviceKind Kind, StepShape Shape, int Threads) : IComparable
{
    // From the first-level cache to well beyond the third: a check reads 8 KiB for 4 Ki half-precision elements, and
    // 128 MiB for 64 Mi.
    private static readonly long[] CpuSizes = [4 << 10, 64 << 10, 1 << 20, 64 << 20];

    // A loop over more elements would take half a second.
    private static readonly long[] SizesOfAlternatives = [4 << 10, 64 << 10, 1 << 20, 16 << 20];

    // Beyond a GPU's second-level cache, with the copies that are used in turns.
    private static readonly long[] GpuSizes = [16 << 20, 128 << 20];

    /// <summary>Whether this run only checks that everything works.</summary>
    internal static bool Smoke { get; set; }

    /// <summary>All scenarios on this machine: on the CPU, and on a GPU if there is one.</summary>
    internal static IEnumerable<Scenario> All =>
        DeviceBenchmark.Kinds.SelectMany(kind => Smoke ? SmallOn(kind) : On(kind));

    /// <summary>Scenarios that .NET has an alternative for: the CPU, Half, one tensor.</summary>
    internal static IEnumerable<Scenario> ForAlternatives =>
        Smoke
            ? [OnCpu(new StepShape(DType.Float16, 5000), 1)]
            : from size in SizesOfAlternatives
            from threads in ThreadsOf(DeviceKind.Cpu)
            select OnCpu(new StepShape(DType.Float16, size), threads);

    /// <summary>The size of comparisons with libtorch.</summary>
    internal static IEnumerable<Scenario> OfWholeSteps =>
        from kind in DeviceBenchmark.Kinds
        from dtype in StepShape.Types.Where(dtype => dtype.IsHalfPrecision())
        from tensors in Smoke ? (int[])[3] : [1, 1000]
        from threads in ThreadsOf(kind)
        select new Scenario(kind, new StepShape(dtype, Smoke ? 3000 : 64 << 20, tensors), threads);

    /// <summary>
    /// Sizes by type and threads; then, at the size past the caches, numbers of tensors and alignment.
    /// </summary>
    internal static IEnumerable<Scenario> On(DeviceKind kind)
    {
        long[] sizes = kind == DeviceKind.Cpu ? CpuSizes : GpuSizes;
        int[] threads = ThreadsOf(kind);
        return
        [
            .. from dtype in StepShape.Types
            from size in sizes
            from count in threads
            select new Scenario(kind, new StepShape(dtype, size), count),
            .. from tensors in (int[])[100, 1000]
            select new Scenario(kind, new StepShape(DType.Float16, sizes[^1], tensors), threads[^1]),
            new(kind, new StepShape(DType.Float16, sizes[^1], Shift: 1), threads[^1]),
        ];
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{(Kind == DeviceKind.Cpu ? $"{Threads} thread{(Threads == 1 ? "" : "s")}" : "GPU")}, {Shape.DType.Name()} "
        + $"{SizeOf(Shape.Count)} in {Shape.Tensors}{(Shape.Shift == 0 ? "" : $", {Shape.Shift} element off")}";

    // The order of a summary's rows.
    int IComparable.CompareTo(object? obj) => obj is Scenario other ? Order(this).CompareTo(Order(other)) : 1;

    private static (DeviceKind, DType, long, int, int, int) Order(Scenario one) =>
        (one.Kind, one.Shape.DType, one.Shape.Count, one.Threads, one.Shape.Tensors, one.Shape.Shift);

    /// <summary>A count with a unit.</summary>
    internal static string SizeOf(long count) =>
        count switch
        {
            _ when count % (1 << 20) == 0 => $"{count >> 20} Mi",
            _ when count % (1 << 10) == 0 => $"{count >> 10} Ki",
            _ => $"{count}",
        };

    private static IEnumerable<Scenario> SmallOn(DeviceKind kind) =>
        [
            new(kind, new StepShape(DType.Float16, 5000, Tensors: 3, Shift: 1), ThreadsOf(kind)[^1]),
            new(kind, new StepShape(DType.Float32, 5000), ThreadsOf(kind)[0]),
        ];

    private static Scenario OnCpu(StepShape shape, int threads) => new(DeviceKind.Cpu, shape, threads);

    // One, and all.
    private static int[] ThreadsOf(DeviceKind kind) =>
        kind == DeviceKind.Cuda ? [0] : [.. ((int[])[1, Environment.ProcessorCount]).Distinct()];
}
