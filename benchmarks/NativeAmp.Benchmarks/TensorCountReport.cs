using System.Globalization;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

/// <summary>The whole AMP step over one tensor, in turns with the same number of parameters in many.</summary>
internal static class TensorCountReport
{
    private static readonly int[] Threads = [1, 2];

    /// <summary>Measures and writes a table, a row for each number of tensors and of threads.</summary>
    public static void Write(long parameters, int[] tensors, double secondsARow)
    {
        Console.WriteLine(
            $"AMP step over {Scenario.SizeOf(parameters)} parameters, float16; medians in ms, and the median of the "
                + "turns' ratios"
        );
        Console.WriteLine("threads  tensors  ms    one tensor, ms  ratio  quartiles of the ratio");
        foreach (int threads in Threads)
        {
            foreach (int count in tensors)
                Write(parameters, threads, count, secondsARow);
        }
    }

    private static void Write(long parameters, int threads, int tensors, double seconds)
    {
        using Device device = Device.Cpu(threads);
        using var timer = new InterleavedTimer(device);
        using var one = new StepTensors(device, new StepShape(DType.Float16, parameters));
        using var many = new StepTensors(device, new StepShape(DType.Float16, parameters, tensors));
        Timing timing = timer.Measure(_ => StepKernel.AmpStep.Run(many), _ => StepKernel.AmpStep.Run(one), seconds);
        double[] ratios = [.. timing.Kernel.Zip(timing.Limit, (manyTensors, oneTensor) => manyTensors / oneTensor)];
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{threads, 7}  {tensors, 7}  {Timing.Quantile(timing.Kernel, 0.5) * 1e3:0.0}  "
                    + $"{Timing.Quantile(timing.Limit, 0.5) * 1e3, 14:0.0}  {Timing.Quantile(ratios, 0.5):0.000}  "
                    + $"{Timing.Quantile(ratios, 0.25):0.000} to {Timing.Quantile(ratios, 0.75):0.000}"
            )
        );
    }
}
