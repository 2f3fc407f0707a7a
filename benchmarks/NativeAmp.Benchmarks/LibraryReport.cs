using System.Globalization;
using NativeAmp.Cli.Bench;
using NativeAmp.TestSupport;

namespace NativeAmp.Benchmarks;

/// <summary>
/// Training steps by our own products and convolutions, in turns with the same by oneDNN's; then single ones.
/// </summary>
internal static class LibraryReport
{
    private static readonly string[] Models = ["cnn", "gpt", "mlp"];

    /// <summary>
    /// Measures and writes a table, a row for each network and precision, and one of single operations.
    /// </summary>
    public static void Write(double secondsARow)
    {
        using Device with = Device.Cpu();
        using Device without = WithoutOneDnn();
        Console.WriteLine(Heading(with, without));
        Console.WriteLine("medians in ms, and the median of the turns' ratios");
        Console.WriteLine("model  dtype     without  with    ratio  quartiles of the ratio");
        foreach (string model in Models)
        {
            foreach (DType dtype in (DType[])[DType.Float32, DType.Float16, DType.BFloat16])
                Write(model, dtype, with, without, secondsARow);
        }
        LibraryOperations.Write(with, without, secondsARow / 10);
    }

    /// <summary>The two devices, in words.</summary>
    public static string Heading(Device with, Device without) =>
        $"with: {with.Info.Libraries}; without: {without.Info.Simd}; {with.Info.Threads} threads";

    /// <summary>Our time divided by oneDNN's, of each turn.</summary>
    public static double[] Ratios(Timing timing) =>
        [.. timing.Kernel.Zip(timing.Limit, (ours, theirs) => ours / theirs)];

    /// <summary>A CPU that computes by our own loops.</summary>
    public static Device WithoutOneDnn()
    {
        using (new NativeVariable("NATIVEAMP_ONEDNN", "0"))
            return Device.Cpu();
    }

    private static void Write(string model, DType dtype, Device with, Device without, double seconds)
    {
        using var timer = new InterleavedTimer(with);
        using var library = new TrainingStep(with, model, dtype);
        using var own = new TrainingStep(without, model, dtype);
        Timing timing = timer.Measure(_ => own.Run(), _ => library.Run(), seconds);
        double[] ratios = Ratios(timing);
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{model, -5}  {dtype.Name(), -8}  {Timing.Quantile(timing.Kernel, 0.5) * 1e3, 7:0.0}  "
                    + $"{Timing.Quantile(timing.Limit, 0.5) * 1e3, -6:0.0}  {Timing.Quantile(ratios, 0.5):0.00}   "
                    + $"{Timing.Quantile(ratios, 0.25):0.00} to {Timing.Quantile(ratios, 0.75):0.00}"
            )
        );
    }
}
