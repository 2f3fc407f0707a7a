using System.Text.Json.Serialization;

namespace NativeAmp.Cli.Inspect;

/// <summary>How a format would hold a tensor, unscaled and at the best power-of-two scale.</summary>
/// <param name="Format">Name of the format.</param>
/// <param name="Overflow">Numbers past its largest value.</param>
/// <param name="Underflow">Numbers that become zero.</param>
/// <param name="Subnormal">Numbers with fewer significant bits.</param>
/// <param name="SnrDb">Signal-to-noise ratio of rounding; null if numbers overflow, there are none, or nothing is
/// lost.</param>
/// <param name="Exact">Whether nothing is lost.</param>
/// <param name="BestScalePower">The best scale, as a power of two.</param>
/// <param name="BestUnderflow">Numbers that become zero at the best scale.</param>
/// <param name="BestSubnormal">Numbers with fewer significant bits at the best scale.</param>
/// <param name="BestSnrDb">Signal-to-noise ratio at the best scale.</param>
internal sealed record FormatReport(
    string Format,
    long Overflow,
    long Underflow,
    long Subnormal,
    double? SnrDb,
    bool Exact,
    int BestScalePower,
    long BestUnderflow,
    long BestSubnormal,
    double? BestSnrDb
)
{
    public static FormatReport Of(ValueStatistics statistics, NumberFormat format)
    {
        FormatFit fit = FormatFit.Of(statistics, format);
        FormatFit best = FormatFit.Best(statistics, format);
        return new FormatReport(
            format.Name,
            fit.Overflow,
            fit.Underflow,
            fit.Subnormal,
            Finite(fit.SignalToNoise),
            fit.SignalToNoise is double.PositiveInfinity,
            best.Scale,
            best.Underflow,
            best.Subnormal,
            Finite(best.SignalToNoise)
        );
    }

    private static double? Finite(double? decibels) =>
        decibels is { } value && double.IsFinite(value) ? Math.Round(value, 2) : null;
}

/// <summary>The statistics of a tensor's numbers, and how each format would hold them.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">Its kind: parameter, gradient, activation, optimizer state, or just a tensor.</param>
/// <param name="DType">Its elements' type, by safetensors' names.</param>
/// <param name="Shape">Its sizes, outermost first.</param>
/// <param name="Count">Number of elements.</param>
/// <param name="Zeros">Zeros among them.</param>
/// <param name="NaN">NaNs among them.</param>
/// <param name="Inf">Infinities among them.</param>
/// <param name="Largest">The largest finite magnitude.</param>
/// <param name="Smallest">The smallest magnitude above zero.</param>
/// <param name="FirstExponent">The power of two of the first count.</param>
/// <param name="Exponents">Number of magnitudes from each power of two to the next.</param>
/// <param name="Formats">Each format.</param>
internal sealed record TensorReport(
    string Name,
    string Kind,
    [property: JsonPropertyName("dtype")] string DType,
    IReadOnlyList<long> Shape,
    long Count,
    long Zeros,
    [property: JsonPropertyName("nan")] long NaN,
    long Inf,
    double Largest,
    double Smallest,
    int FirstExponent,
    IReadOnlyList<long> Exponents,
    IReadOnlyList<FormatReport> Formats
)
{
    /// <summary>The formats that numbers are compared with. fp32 holds all numbers but some doubles.</summary>
    public static IReadOnlyList<NumberFormat> Compared { get; } =
    [.. NumberFormat.All.Where(format => format != NumberFormat.Float32)];

    /// <summary>Whether it is a sum of reports of several tensors, whose noise together is unknown.</summary>
    [JsonIgnore]
    public bool IsSum { get; init; }

    /// <summary>Numbers that are finite and not zero.</summary>
    [JsonIgnore]
    public long Values => Count - Zeros - NaN - Inf;

    public static TensorReport Of(
        string name,
        string kind,
        string dtype,
        IReadOnlyList<long> shape,
        ValueStatistics statistics
    )
    {
        ExponentHistogram exponents = statistics.Exponents;
        return new TensorReport(
            name,
            kind,
            dtype,
            shape,
            statistics.Count,
            statistics.Zeros,
            statistics.NaNs,
            statistics.Infinities,
            statistics.Largest,
            statistics.Smallest,
            exponents.First,
            exponents.Counts,
            [.. Compared.Select(format => FormatReport.Of(statistics, format))]
        );
    }

    /// <summary>The report of a format.</summary>
    public FormatReport Of(NumberFormat format) => Formats.Single(report => report.Format == format.Name);
}

/// <summary>The output of --json.</summary>
/// <param name="Files">The files that were read.</param>
/// <param name="Tensors">Each tensor.</param>
/// <param name="Totals">All tensors of a kind together.</param>
internal sealed record InspectReport(
    IReadOnlyList<string> Files,
    IReadOnlyList<TensorReport> Tensors,
    IReadOnlyList<TensorReport> Totals
);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(InspectReport))]
internal sealed partial class InspectJson : JsonSerializerContext;
