using System.Globalization;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Cli.Quantize;

/// <summary>A scheme in words.</summary>
internal static class SchemeText
{
    /// <summary>Such as "int4, group 64, rtn, without block0.expand".</summary>
    public static string Of(QuantizationScheme scheme)
    {
        string kind = scheme.Kind switch
        {
            QuantizationKind.Int4 => Grouped("int4"),
            QuantizationKind.Int4Dynamic => Grouped("int4-dynamic"),
            QuantizationKind.Int8Dynamic => "int8-dynamic",
            QuantizationKind.Int8Static => $"int8-static, {Observer(scheme)}",
            _ => "int8",
        };
        string keep = scheme.Keep.Length == 0 ? "" : $", without {string.Join(", ", scheme.Keep)}";
        return $"{kind}, {scheme.Method.ToString().ToLowerInvariant()}{keep}";

        string Grouped(string name) => string.Create(CultureInfo.InvariantCulture, $"{name}, group {scheme.Group}");
    }

    private static string Observer(QuantizationScheme scheme) =>
        scheme.Observer switch
        {
            QuantizationObserver.MinMax => "min-max",
            QuantizationObserver.Percentile => string.Create(
                CultureInfo.InvariantCulture,
                $"percentile {scheme.Percentile}"
            ),
            _ => "mse",
        };
}
