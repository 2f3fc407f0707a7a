using System.Text.Json.Serialization;

namespace NativeAmp.Cli.Bench;

/// <summary>The measurements of one kernel.</summary>
/// <param name="Name">The kernel.</param>
/// <param name="Dtype">Type of gradients and copies.</param>
/// <param name="Bytes">Bytes read and written by one call.</param>
/// <param name="SecondsMedian">Median time of one call.</param>
/// <param name="SecondsLowerQuartile">Lower quartile of the time of one call.</param>
/// <param name="SecondsUpperQuartile">Upper quartile of the time of one call.</param>
/// <param name="Rounds">Number of rounds, in turns with its limit.</param>
/// <param name="GbPerS">Bytes divided by the median time.</param>
/// <param name="LimitGbPerS">Bandwidth of the limit, which moves the same bytes and computes nothing.</param>
/// <param name="FractionOfLimit">Median over the rounds of the limit's time divided by the kernel's.</param>
/// <param name="CopyGbPerS">Bandwidth of the driver's copy on the device, which reads half of the bytes and writes
/// half; null on the CPU.</param>
/// <param name="FractionOfCopy">Median over rounds of the copy's time divided by the kernel's; null on the CPU.</param>
/// <param name="MparamsPerS">Millions of parameters per second.</param>
internal sealed record BenchRow(
    string Name,
    string Dtype,
    long Bytes,
    double SecondsMedian,
    double SecondsLowerQuartile,
    double SecondsUpperQuartile,
    int Rounds,
    double GbPerS,
    double LimitGbPerS,
    double FractionOfLimit,
    double? CopyGbPerS,
    double? FractionOfCopy,
    double MparamsPerS
)
{
    /// <summary>
    /// The figures of a kernel over tensors of a shape, from rounds with its limit, and with a copy if there were any.
    /// </summary>
    public static BenchRow Of(StepKernel kernel, StepShape shape, Timing limit, Timing? copy)
    {
        long bytes = kernel.Bytes(shape);
        double median = Timing.Quantile(limit.Kernel, 0.5);
        return new BenchRow(
            NameOf(kernel, shape),
            shape.DType.Name(),
            bytes,
            median,
            Timing.Quantile(limit.Kernel, 0.25),
            Timing.Quantile(limit.Kernel, 0.75),
            limit.Kernel.Length,
            Bandwidth(bytes, median),
            Bandwidth(bytes, Timing.Quantile(limit.Limit, 0.5)),
            limit.FractionOfLimit,
            copy is null ? null : Bandwidth(bytes, Timing.Quantile(copy.Limit, 0.5)),
            copy?.FractionOfLimit,
            shape.Count / median * 1e-6
        );
    }

    private static string NameOf(StepKernel kernel, StepShape shape) =>
        kernel.Name
        + (shape.State == StateFormat.Float32 ? "" : $", {shape.State.Name()} state")
        + shape.Masters switch
        {
            null => "",
            MasterFormat.Remainder => ", remainders",
            _ => ", no masters",
        };

    /// <summary>Gigabytes per second.</summary>
    public static double Bandwidth(long bytes, double seconds) => bytes / seconds * 1e-9;
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(BenchRow[]))]
internal sealed partial class BenchJson : JsonSerializerContext;
