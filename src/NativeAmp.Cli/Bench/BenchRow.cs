using System.Text.Json.Serialization;

namespace NativeAmp.Cli.Bench;

/// <summary>What was measured of one kernel.</summary>
/// <param name="Name">The kernel.</param>
/// <param name="Dtype">Type of gradients and copies.</param>
/// <param name="Bytes">Read and written by one call.</param>
/// <param name="SecondsMedian">Of one call.</param>
/// <param name="SecondsLowerQuartile">A quarter of the rounds were no slower.</param>
/// <param name="SecondsUpperQuartile">A quarter of the rounds were no faster.</param>
/// <param name="Rounds">How often it was timed, in turns with its limit.</param>
/// <param name="GbPerS">Bytes by the median.</param>
/// <param name="LimitGbPerS">The same of the limit, which moves the same bytes and computes nothing.</param>
/// <param name="FractionOfLimit">Median over the rounds of the limit's time by the kernel's.</param>
/// <param name="MparamsPerS">Millions of parameters a second.</param>
internal sealed record BenchRow(
    string Name, string Dtype, long Bytes, double SecondsMedian, double SecondsLowerQuartile, double SecondsUpperQuartile, int Rounds,
    double GbPerS, double LimitGbPerS, double FractionOfLimit, double MparamsPerS)
{
    /// <summary>The figures of a kernel over these tensors.</summary>
    public static BenchRow Of(StepKernel kernel, StepTensors tensors, Timing timing)
    {
        long bytes = kernel.Bytes(tensors.Shape);
        double median = Timing.Quantile(timing.Kernel, 0.5);
        return new BenchRow(
            kernel.Name, tensors.Shape.DType.Name(), bytes, median, Timing.Quantile(timing.Kernel, 0.25), Timing.Quantile(timing.Kernel, 0.75),
            timing.Kernel.Length, bytes / median * 1e-9, bytes / Timing.Quantile(timing.Limit, 0.5) * 1e-9, timing.FractionOfLimit,
            tensors.Shape.Count / median * 1e-6);
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(BenchRow[]))]
internal sealed partial class BenchJson : JsonSerializerContext;
