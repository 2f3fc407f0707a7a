using System.Globalization;
using System.Numerics.Tensors;
using NativeAmp.Cli.Bench;
using ScottPlot;

namespace NativeAmp.Benchmarks;

/// <summary>Bandwidth against size, each kernel in turns with its limit, drawn as SVG.</summary>
internal static class BandwidthPlots
{
    private const double SecondsAPoint = 0.4;

    // Powers of two, from the first cache to well past the third.
    private static readonly long[] Sizes = [.. Enumerable.Range(12, 15).Select(bits => 1L << bits)];

    /// <summary>Measures and writes bandwidth-KERNEL.svg for each kernel, with float16 gradients and all threads.</summary>
    public static void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        using Device device = Device.Cpu();
        using var timer = new InterleavedTimer(device);
        foreach (StepKernel kernel in StepKernel.All.Where(kernel => kernel != StepKernel.ScaledBackward))
        {
            var ours = new double[Sizes.Length];
            var limits = new double[Sizes.Length];
            var primitives = new double[Sizes.Length];
            for (int i = 0; i < Sizes.Length; i++)
            {
                using var tensors = new StepTensors(device, new StepShape(DType.Float16, Sizes[i]));
                double gigabytes = kernel.Bytes(tensors.Shape) * 1e-9;
                Timing timing = timer.Measure(_ => kernel.Run(tensors), _ => kernel.RunLimit(tensors), SecondsAPoint);
                ours[i] = gigabytes / Timing.Quantile(timing.Kernel, 0.5);
                limits[i] = gigabytes / Timing.Quantile(timing.Limit, 0.5);
                if (kernel == StepKernel.Cast) primitives[i] = gigabytes / SecondsOfPrimitives(timer, kernel, tensors);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kernel.Name}, {Sizes[i]}: {ours[i]:0.0} GB/s, limit {limits[i]:0.0}{(primitives[i] > 0 ? $", TensorPrimitives {primitives[i]:0.0}" : "")}"));
            }
            Draw(kernel, device.Info, ours, limits, kernel == StepKernel.Cast ? primitives : null).SaveSvg(Path.Combine(folder, $"bandwidth-{kernel.Name.Replace(' ', '-').ToLowerInvariant()}.svg"), 800, 450);
        }
    }

    private static double SecondsOfPrimitives(InterleavedTimer timer, StepKernel kernel, StepTensors tensors)
    {
        var from = new float[tensors.Shape.Count];
        var to = new Half[from.Length];
        foreach (ref float value in from.AsSpan()) value = 0.3f;
        return Timing.Quantile(timer.Measure(_ => TensorPrimitives.ConvertToHalf(from, to), _ => kernel.RunLimit(tensors), SecondsAPoint).Kernel, 0.5);
    }

    private static Plot Draw(StepKernel kernel, DeviceInfo info, double[] ours, double[] limits, double[]? primitives)
    {
        var plot = new Plot();
        double[] places = [.. Sizes.Select(size => Math.Log2(size))];
        Add(limits, "limit: the same loads and stores", Colors.Gray);
        Add(ours, "NativeAmp", Colors.Blue);
        if (primitives is not null) Add(primitives, "TensorPrimitives.ConvertToHalf, one thread", Colors.Orange);
        plot.Title($"{kernel.Name}, float16, {info.Threads} threads, {info.Name}");
        plot.XLabel("parameters");
        plot.YLabel("GB/s");
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual(
            [.. places.Where((_, i) => i % 2 == 0)], [.. Sizes.Where((_, i) => i % 2 == 0).Select(Label)]);
        plot.Axes.SetLimitsY(0, 1.1 * Math.Max(ours.Max(), limits.Max()));
        plot.ShowLegend(Edge.Bottom); // inside it would hide a curve
        return plot;

        void Add(double[] values, string label, Color color)
        {
            var line = plot.Add.Scatter(places, values, color);
            line.LegendText = label;
            line.LineWidth = 2;
        }
    }

    private static string Label(long size) => size >= 1 << 20 ? $"{size >> 20} Mi" : $"{size >> 10} Ki";
}
