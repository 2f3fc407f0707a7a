using System.Globalization;
using System.Numerics.Tensors;
using NativeAmp.Cli.Bench;
using NativeAmp.Reports;

namespace NativeAmp.Benchmarks;

/// <summary>Bandwidth against size, each kernel in turns with its limit, drawn as SVG.</summary>
internal static class BandwidthPlots
{
    private static readonly IReadOnlyList<StepKernel> Kernels =
    [
        .. StepKernel.All.Where(kernel => kernel != StepKernel.ScaledBackward),
    ];

    /// <summary>The files that <see cref="Write"/> writes.</summary>
    public static IEnumerable<string> Files(string folder) => Kernels.Select(kernel => FileOf(folder, kernel));

    /// <summary>
    /// Measures and writes bandwidth-KERNEL.svg for each kernel, with float16 gradients and all threads.
    /// </summary>
    /// <param name="folder">The destination.</param>
    /// <param name="sizes">Parameters, powers of two.</param>
    /// <param name="secondsAPoint">Approximate seconds for each point.</param>
    public static void Write(string folder, long[] sizes, double secondsAPoint)
    {
        Directory.CreateDirectory(folder);
        using Device device = Device.Cpu();
        using var timer = new InterleavedTimer(device);
        foreach (StepKernel kernel in Kernels)
        {
            var ours = new double[sizes.Length];
            var limits = new double[sizes.Length];
            var primitives = new double[sizes.Length];
            for (int i = 0; i < sizes.Length; i++)
            {
                using var tensors = new RotatedTensors(device, new StepShape(DType.Float16, sizes[i]));
                BenchRow row = BenchRun.Measure(timer, kernel, tensors, secondsAPoint);
                ours[i] = row.GbPerS;
                limits[i] = row.LimitGbPerS;
                if (kernel == StepKernel.Cast)
                    primitives[i] = BenchRow.Bandwidth(
                        row.Bytes,
                        SecondsOfPrimitives(timer, kernel, tensors.For(kernel)[0], secondsAPoint)
                    );
                Console.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{kernel.Name}, {sizes[i]}: {ours[i]:0.0} GB/s, limit "
                            + $"{limits[i]:0.0}{(primitives[i] > 0 ? $", TensorPrimitives {primitives[i]:0.0}" : "")}"
                    )
                );
            }
            Draw(kernel, device.Info, sizes, ours, limits, kernel == StepKernel.Cast ? primitives : null)
                .SaveSvg(FileOf(folder, kernel));
        }
    }

    private static string FileOf(string folder, StepKernel kernel) =>
        Path.Combine(folder, $"bandwidth-{kernel.Name.Replace(' ', '-').ToLowerInvariant()}.svg");

    private static double SecondsOfPrimitives(
        InterleavedTimer timer,
        StepKernel kernel,
        StepTensors tensors,
        double seconds
    )
    {
        var from = new float[tensors.Shape.Count];
        var to = new Half[from.Length];
        foreach (ref float value in from.AsSpan())
            value = 0.3f;
        return Timing.Quantile(
            timer.Measure(_ => TensorPrimitives.ConvertToHalf(from, to), _ => kernel.RunLimit(tensors), seconds).Kernel,
            0.5
        );
    }

    private static Chart Draw(
        StepKernel kernel,
        DeviceInfo info,
        long[] sizes,
        double[] ours,
        double[] limits,
        double[]? primitives
    )
    {
        var chart = new Chart($"{kernel.Name}, float16, {info.Threads} threads, {info.Name}", "parameters", "GB/s");
        double[] places = [.. sizes.Select(size => Math.Log2(size))];
        chart.Line("limit: the same loads and stores", places, limits, 0, markers: true, dashed: true);
        chart.Line("NativeAmp", places, ours, 1, markers: true);
        if (primitives is not null)
            chart.Line("TensorPrimitives.ConvertToHalf, one thread", places, primitives, 2, markers: true);
        chart.Plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual(
            [.. places.Where((_, i) => i % 3 == 0)],
            [.. sizes.Where((_, i) => i % 3 == 0).Select(Scenario.SizeOf)]
        );
        return chart.FromZero();
    }
}
