using System.Text.Json.Serialization;

namespace NativeAmp.Cli.Bench;

/// <summary>The measurements of an operator of a GPT's training step, or of the step.</summary>
/// <param name="Name">The operator, with the pass; or the step.</param>
/// <param name="Dtype">What it computes in.</param>
/// <param name="Flops">Floating-point operations of its products; 0 if it has none.</param>
/// <param name="Bytes">Bytes that it has to read and write at least; null of the step.</param>
/// <param name="SecondsMedian">Median time of one call.</param>
/// <param name="SecondsLowerQuartile">Lower quartile of the time of one call.</param>
/// <param name="SecondsUpperQuartile">Upper quartile of the time of one call.</param>
/// <param name="Rounds">Number of rounds.</param>
/// <param name="TflopPerS">Operations divided by the median time; null if it has none.</param>
/// <param name="GbPerS">Bytes divided by the median time.</param>
/// <param name="FractionOfCopy">Median over rounds of the time of the driver's copy of as many bytes, half read and
/// half written, divided by the operator's; null on the CPU, and of the step.</param>
/// <param name="FractionOfPeak">The time that a GPU's data sheet allows, of its products or of its bytes, whichever is
/// longer, divided by the median time; null if no GPU was named.</param>
/// <param name="TokensPerS">Tokens of the step divided by the median time; null of an operator.</param>
internal sealed record GptRow(
    string Name,
    string Dtype,
    double Flops,
    long? Bytes,
    double SecondsMedian,
    double SecondsLowerQuartile,
    double SecondsUpperQuartile,
    int Rounds,
    double? TflopPerS,
    double? GbPerS,
    double? FractionOfCopy,
    double? FractionOfPeak,
    double? TokensPerS
)
{
    /// <summary>The figures of some rounds.</summary>
    /// <param name="name">The operator, or the step.</param>
    /// <param name="dtype">What it computes in.</param>
    /// <param name="flops">Of its products.</param>
    /// <param name="bytes">Null of the step.</param>
    /// <param name="seconds">Round by round.</param>
    /// <param name="fractionOfCopy">See the property.</param>
    /// <param name="peak">The GPU's data sheet, or null.</param>
    public static GptRow Of(
        string name,
        DType dtype,
        double flops,
        long? bytes,
        double[] seconds,
        double? fractionOfCopy,
        GpuPeak? peak
    )
    {
        double median = Timing.Quantile(seconds, 0.5);
        return new GptRow(
            name,
            dtype.Name(),
            flops,
            bytes,
            median,
            Timing.Quantile(seconds, 0.25),
            Timing.Quantile(seconds, 0.75),
            seconds.Length,
            flops == 0 ? null : flops / median * 1e-12,
            bytes is { } moved ? BenchRow.Bandwidth(moved, median) : null,
            fractionOfCopy,
            peak?.Seconds(flops, bytes ?? 0) / median,
            TokensPerS: null
        );
    }
}

/// <summary>A GPU's peaks by its data sheet.</summary>
/// <param name="Flops">Operations a second of products of a dtype.</param>
/// <param name="Bandwidth">Bytes a second.</param>
internal readonly record struct GpuPeak(double Flops, double Bandwidth)
{
    /// <summary>The shortest time for operations and bytes that overlap.</summary>
    public double Seconds(double flops, long bytes) => Math.Max(flops / Flops, bytes / Bandwidth);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(GptRow[]))]
internal sealed partial class GptBenchJson : JsonSerializerContext;
