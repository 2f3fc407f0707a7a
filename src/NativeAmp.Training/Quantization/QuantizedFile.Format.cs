using System.Globalization;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Quantization;

/// <content>The metadata and the tensors of the format.</content>
public static partial class QuantizedFile
{
    private const string FormatKey = "format";
    private const string KindKey = "kind";
    private const string GroupKey = "group";
    private const string MethodKey = "method";
    private const string ObserverKey = "observer";
    private const string PercentileKey = "percentile";

    private static QuantizationScheme ReadScheme(string path, IReadOnlyDictionary<string, string> metadata)
    {
        if (metadata.GetValueOrDefault(FormatKey) is var format && format != Format)
            throw new DataFormatException(path, 0, $"format '{format}'", $"'{Format}', a quantised model");
        var scheme = new QuantizationScheme
        {
            Kind = Parse<QuantizationKind>(KindKey),
            Method = Parse<QuantizationMethod>(MethodKey),
        };
        if (scheme.Kind == QuantizationKind.Int8Static)
            scheme = scheme with
            {
                Observer = Parse<QuantizationObserver>(ObserverKey),
                Percentile = ParsePercentile(),
            };
        string group = metadata.GetValueOrDefault(GroupKey) ?? "";
        if (scheme.Bits == 4)
            scheme = scheme with
            {
                Group = group is "32" or "64" or "128" or "256" ? int.Parse(group, CultureInfo.InvariantCulture) : 0,
            };
        return group == scheme.WeightGroup.ToString(CultureInfo.InvariantCulture) && (scheme.Group != 0)
            ? scheme
            : throw new DataFormatException(path, 0, $"group '{group}'", "32, 64, 128 or 256 of 4 bits, or 0");

        double ParsePercentile()
        {
            string value = metadata.GetValueOrDefault(PercentileKey) ?? "";
            return
                double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double percent)
                && percent is > 50 and <= 100
                ? percent
                : throw new DataFormatException(path, 0, $"percentile '{value}'", "above 50 and at most 100");
        }

        T Parse<T>(string key)
            where T : struct, Enum
        {
            string value = metadata.GetValueOrDefault(key) ?? "";
            return Enum.GetNames<T>().Contains(value)
                ? Enum.Parse<T>(value)
                : throw new DataFormatException(
                    path,
                    0,
                    $"{key} '{value}'",
                    $"one of {string.Join(", ", Enum.GetNames<T>())}"
                );
        }
    }

    /// <summary>
    /// The shape of a weight that is there as codes, such as that of "0.weight"; null if it is not, or if there are too
    /// few codes for the shape that the metadata says.
    /// </summary>
    internal static IReadOnlyList<long>? ShapeOf(SafetensorsReader reader, string weight)
    {
        if (
            !weight.EndsWith(".weight", StringComparison.Ordinal)
            || reader.Find($"{weight}_codes") is not { } codes
            || reader.Metadata.GetValueOrDefault(ShapeKey(weight[..^".weight".Length])) is not { } text
        )
            return null;
        UInt128 elements = 1;
        List<long> shape = [];
        foreach (string part in text.Split(','))
        {
            if (
                !int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int size)
                || (elements *= (UInt128)size) > 2 * (UInt128)codes.ByteLength
            )
                return null;
            shape.Add(size);
        }
        return shape;
    }

    private static string FoldedKey(string norm) => $"folded.{norm}";

    private static string ShapeKey(string name) => $"shape.{name}";

    private static string ShapeText(Shape shape) => string.Join(',', shape.Dimensions.ToArray());

    private static SafetensorsEntry CodesEntry(string name, Shape shape, int bits, int group)
    {
        (long rows, long columns) = (shape[0], shape.Count / shape[0]);
        return bits == 8
            ? new SafetensorsEntry($"{name}.weight_codes", SafetensorsDType.I8, [rows, columns])
            : new SafetensorsEntry(
                $"{name}.weight_codes",
                SafetensorsDType.U8,
                [rows, (columns + group - 1) / group, group / 2]
            );
    }

    private static SafetensorsEntry InputScaleEntry(string name) =>
        new($"{name}.input_scale", SafetensorsDType.F32, [1]);

    private static SafetensorsEntry ZeroPointEntry(string name) =>
        new($"{name}.input_zero_point", SafetensorsDType.I8, [1]);

    private static SafetensorsEntry ScalesEntry(string name, Shape shape, int group)
    {
        long columns = shape.Count / shape[0];
        return new SafetensorsEntry(
            $"{name}.weight_scales",
            SafetensorsDType.F32,
            [shape[0], group == 0 ? 1 : (columns + group - 1) / group]
        );
    }
}
