using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

/// <summary>What a kernel of a step is measured over.</summary>
/// <param name="Shape">The tensors.</param>
/// <param name="Threads">Threads of the CPU.</param>
public sealed record Scenario(StepShape Shape, int Threads)
{
    // From the first cache to well past the third: 4 Ki parameters are 16 KiB of float32, 16 Mi are 64 MiB.
    private static readonly long[] Sizes = [4 << 10, 64 << 10, 1 << 20, 16 << 20];

    private static readonly DType[] Types = [DType.Float16, DType.BFloat16, DType.Float32];

    /// <summary>Whether this run only shows that everything runs.</summary>
    internal static bool Smoke { get; set; }

    /// <summary>Sizes by type; then, past the caches, tensors, threads and alignment, each by itself.</summary>
    internal static IEnumerable<Scenario> All
    {
        get
        {
            if (Smoke) return [new(new StepShape(DType.Float16, 5000, Tensors: 3, Shift: 1), 2), new(new StepShape(DType.Float32, 5000), 1)];
            int threads = Environment.ProcessorCount;
            long large = Sizes[^1];
            return
            [
                .. from dtype in Types from size in Sizes select new Scenario(new StepShape(dtype, size), threads),
                .. from tensors in (int[])[100, 1000] select new Scenario(new StepShape(DType.Float16, large, tensors), threads),
                new(new StepShape(DType.Float16, large), 1),
                new(new StepShape(DType.Float16, large, Shift: 1), threads),
            ];
        }
    }

    /// <summary>Where .NET has something of its own to be compared with: Half, one tensor.</summary>
    internal static IEnumerable<Scenario> ForAlternatives => Smoke
        ? [new(new StepShape(DType.Float16, 5000), 1)]
        : from size in Sizes from threads in (int[])[1, Environment.ProcessorCount] select new Scenario(new StepShape(DType.Float16, size), threads);

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Shape.DType.Name()} {Shape.Count} in {Shape.Tensors}, {Threads} threads{(Shape.Shift == 0 ? "" : $", {Shape.Shift} element off")}";
}
