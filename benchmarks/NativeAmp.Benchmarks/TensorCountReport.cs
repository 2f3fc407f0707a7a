using System.Globalization;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

/// <summary>The whole AMP step over one tensor, in turns with the same number of parameters in many.</summary>
internal static class TensorCountReport
{
    private const long Parameters = 64 << 20;
    private const double SecondsAPoint = 5;

    /// <summary>Measures and writes a table.</summary>
    public static void Write()
    {
        Console.WriteLine("AMP step over 64 Mi parameters, float16; medians in ms, and the median of the turns' ratios");
        Console.WriteLine("threads  tensors  ms    one tensor, ms  ratio  quartiles of the ratio");
        foreach (int threads in (int[])[1, 2])
        {
            foreach (int tensors in (int[])[1, 100, 1000]) Write(threads, tensors);
        }
    }

    private static void Write(int threads, int tensors)
    {
        using Device device = Device.Cpu(threads);
        using var timer = new InterleavedTimer(device);
        using var one = new StepTensors(device, new StepShape(DType.Float16, Parameters));
        using var many = new StepTensors(device, new StepShape(DType.Float16, Parameters, tensors));
        Timing timing = timer.Measure(_ => StepKernel.AmpStep.Run(many), _ => StepKernel.AmpStep.Run(one), SecondsAPoint);
        double[] ratios = [.. timing.Kernel.Zip(timing.Limit, (manyTensors, oneTensor) => manyTensors / oneTensor)];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{threads,7}  {tensors,7}  {Timing.Quantile(timing.Kernel, 0.5) * 1e3:0.0}  {Timing.Quantile(timing.Limit, 0.5) * 1e3,14:0.0}  {Timing.Quantile(ratios, 0.5):0.000}  {Timing.Quantile(ratios, 0.25):0.000} to {Timing.Quantile(ratios, 0.75):0.000}"));
    }
}
