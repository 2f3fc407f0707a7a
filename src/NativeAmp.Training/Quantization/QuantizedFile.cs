using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Quantization;

/// <summary>
/// Quantised models as safetensors files. The weight of layer NAME is NAME.weight_codes, I8 [rows, columns] or U8
/// [rows, groups, group / 2] (<see cref="QuantizedTensor"/>), and NAME.weight_scales, F32 [rows, groups]; all else of
/// the model's state is F32 under its own name. The metadata has "format", the scheme's "kind", "group" and "method",
/// and "shape.NAME" of each quantised layer, such as "128,3136".
/// </summary>
public static class QuantizedFile
{
    /// <summary>The metadata's "format".</summary>
    public const string Format = "nativeamp-quantized-1";

    private const string FormatKey = "format";
    private const string KindKey = "kind";
    private const string GroupKey = "group";
    private const string MethodKey = "method";

    /// <summary>Writes a quantised model. A crash leaves the old file or the new one.</summary>
    /// <param name="model">The model.</param>
    /// <param name="path">The file.</param>
    /// <param name="scheme">The scheme that it was quantised by.</param>
    /// <param name="metadata">More of the file's metadata, such as the model's sizes; or null.</param>
    /// <exception cref="ArgumentException">The metadata uses a key of the format.</exception>
    /// <exception cref="InvalidOperationException">No layer is quantised.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(
        Module model,
        string path,
        QuantizationScheme scheme,
        IReadOnlyDictionary<string, string>? metadata = null
    )
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(scheme);
        scheme.Check();
        (string Name, IQuantizable Layer)[] layers =
        [
            .. IQuantizable.Of(model).Where(each => each.Layer.Quantized is not null),
        ];
        if (layers.Length == 0)
            throw new InvalidOperationException("No layer of the model is quantised; save it with Module.Save.");
        var all = new OrderedDictionary<string, string>
        {
            [FormatKey] = Format,
            [KindKey] = scheme.Kind.ToString(),
            [GroupKey] = scheme.WeightGroup.ToString(CultureInfo.InvariantCulture),
            [MethodKey] = scheme.Method.ToString(),
        };
        foreach ((string name, IQuantizable layer) in layers)
            all.Add(ShapeKey(name), ShapeText(layer.Quantized!.Shape));
        foreach ((string key, string value) in metadata ?? ImmutableDictionary<string, string>.Empty)
        {
            if (!all.TryAdd(key, value))
                throw new ArgumentException($"'{key}' is the format's own.", nameof(metadata));
        }

        List<(SafetensorsEntry Entry, Func<byte[]> Bytes)> tensors = [];
        foreach ((string name, IQuantizable layer) in layers)
        {
            QuantizedTensor weight = layer.Quantized!;
            tensors.Add((CodesEntry(name, weight.Shape, weight.Bits, weight.Group), () => [.. weight.Codes]));
            tensors.Add(
                (
                    ScalesEntry(name, weight.Shape, weight.Group),
                    () => MemoryMarshal.AsBytes(weight.Scales.AsSpan()).ToArray()
                )
            );
        }

        foreach ((string name, Parameter values) in FloatState(model, layers.Select(each => each.Layer)))
            tensors.Add(
                (
                    new SafetensorsEntry(name, SafetensorsDType.F32, ModuleFile.Dimensions(values)),
                    () => MemoryMarshal.AsBytes<float>(values.ReadMaster()).ToArray()
                )
            );
        AtomicFile.Write(
            path,
            stream =>
            {
                var writer = new SafetensorsWriter(stream, tensors.Select(each => each.Entry), all);
                foreach ((_, Func<byte[]> bytes) in tensors)
                    writer.Write(bytes());
                writer.Complete();
            }
        );
    }

    /// <summary>Whether a file says that it is a quantised model.</summary>
    /// <exception cref="DataFormatException">It is not a safetensors file, or is damaged.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static bool IsQuantized(string path)
    {
        using var reader = SafetensorsReader.Open(path);
        return reader.Metadata.GetValueOrDefault(FormatKey) == Format;
    }

    /// <summary>Reads a quantised model into a float32 model of the same layers, which is then quantised.</summary>
    /// <param name="model">The model, on a CPU device.</param>
    /// <param name="path">The file.</param>
    /// <returns>The scheme of the file; <see cref="QuantizationScheme.Keep"/> names the layers that are
    /// float32.</returns>
    /// <exception cref="CheckpointException">Names, shapes, types or scales do not fit. Nothing was
    /// changed.</exception>
    /// <exception cref="DataFormatException">It is not a quantised model, or is damaged. Nothing was
    /// changed.</exception>
    /// <exception cref="InvalidOperationException">The model is quantised, is not on a CPU device, or belongs to an
    /// optimizer. Nothing was changed.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static QuantizationScheme Load(Module model, string path)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var reader = SafetensorsReader.Open(path);
        IReadOnlyList<(string Name, IQuantizable Layer)> layers = IQuantizable.Of(model);
        foreach ((string name, IQuantizable layer) in layers)
            Quantizer.CheckLayer(name, layer);
        QuantizationScheme scheme = ReadScheme(path, reader.Metadata);
        (string Name, IQuantizable Layer)[] coded =
        [
            .. layers.Where(each => reader.Find($"{each.Name}.weight_codes") is not null),
        ];
        (string Name, Parameter Values)[] floats = [.. FloatState(model, coded.Select(each => each.Layer))];
        Check(path, reader, scheme, coded, floats);

        // All of it is read before any of it is taken: a damaged file changes nothing.
        QuantizedTensor[] weights = [.. coded.Select(each => Read(path, reader, scheme, each.Name, each.Layer))];
        float[][] values = [.. floats.Select(each => ModuleFile.Read(reader, reader.Find(each.Name)!))];
        foreach (((_, IQuantizable layer), QuantizedTensor weight) in coded.Zip(weights))
            layer.Quantize(weight, scheme.Kind);
        foreach (((_, Parameter target), float[] read) in floats.Zip(values))
            target.WriteMaster(read);
        return scheme with { Keep = [.. layers.Select(each => each.Name).Except(coded.Select(each => each.Name))] };
    }

    // Parameters and buffers, without the weights of these layers.
    private static IEnumerable<(string Name, Parameter Values)> FloatState(
        Module model,
        IEnumerable<IQuantizable> layers
    )
    {
        // A quantised linear layer has no weight, and the model's state does not list it.
        var weights = layers.Where(layer => layer is Conv2d || layer.Quantized is null).Select(layer => layer.Weight);
        var without = weights.ToHashSet();
        return model.State().Where(each => !without.Contains(each.Values));
    }

    private static QuantizationScheme ReadScheme(string path, IReadOnlyDictionary<string, string> metadata)
    {
        if (metadata.GetValueOrDefault(FormatKey) is var format && format != Format)
            throw new DataFormatException(path, 0, $"format '{format}'", $"'{Format}', a quantised model");
        var scheme = new QuantizationScheme
        {
            Kind = Parse<QuantizationKind>(KindKey),
            Method = Parse<QuantizationMethod>(MethodKey),
        };
        string group = metadata.GetValueOrDefault(GroupKey) ?? "";
        if (scheme.Kind == QuantizationKind.Int4)
            scheme = scheme with
            {
                Group = group is "32" or "64" or "128" or "256" ? int.Parse(group, CultureInfo.InvariantCulture) : 0,
            };
        return group == scheme.WeightGroup.ToString(CultureInfo.InvariantCulture) && (scheme.Group != 0)
            ? scheme
            : throw new DataFormatException(path, 0, $"group '{group}'", "32, 64, 128 or 256 of Int4, or 0");

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

    /// <summary>Whether a file says that it is one.</summary>
    internal static bool IsOne(SafetensorsReader reader) => reader.Metadata.GetValueOrDefault(FormatKey) == Format;

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

    private static SafetensorsEntry ScalesEntry(string name, Shape shape, int group)
    {
        long columns = shape.Count / shape[0];
        return new SafetensorsEntry(
            $"{name}.weight_scales",
            SafetensorsDType.F32,
            [shape[0], group == 0 ? 1 : (columns + group - 1) / group]
        );
    }

    private static void Check(
        string path,
        SafetensorsReader reader,
        QuantizationScheme scheme,
        (string Name, IQuantizable Layer)[] coded,
        (string Name, Parameter Values)[] floats
    )
    {
        List<SafetensorsEntry> expected = [];
        List<string> problems = coded.Length == 0 ? ["no layer of the model has codes"] : [];
        foreach ((string name, IQuantizable layer) in coded)
        {
            Shape shape = layer.Weight.Shape;
            expected.Add(CodesEntry(name, shape, scheme.Bits, scheme.WeightGroup));
            expected.Add(ScalesEntry(name, shape, scheme.WeightGroup));
            if (reader.Metadata.GetValueOrDefault(ShapeKey(name)) is var text && text != ShapeText(shape))
                problems.Add($"'{name}' has the shape '{text}', where the model's is '{ShapeText(shape)}'");
            if (layer is Linear && !Quantizer.FitsSums(scheme.Kind, shape[1]))
                problems.Add($"'{name}' has {shape[1]} inputs, too many for sums of 8-bit products");
        }

        expected.AddRange(
            floats.Select(each => new SafetensorsEntry(
                each.Name,
                SafetensorsDType.F32,
                ModuleFile.Dimensions(each.Values)
            ))
        );
        foreach (SafetensorsEntry entry in expected)
        {
            if (reader.Find(entry.Name) is not { } found)
                problems.Add($"there is no '{entry.Name}'");
            else if (found.DType != entry.DType || !found.Shape.SequenceEqual(entry.Shape))
                problems.Add(
                    $"'{entry.Name}' is {found.DType} [{string.Join(", ", found.Shape)}], where the model needs "
                        + $"{entry.DType} [{string.Join(", ", entry.Shape)}]"
                );
        }

        var known = expected.Select(entry => entry.Name).ToHashSet();
        problems.AddRange(
            reader
                .Entries.Where(entry => !known.Contains(entry.Name))
                .Select(entry => $"'{entry.Name}' is not of the model")
        );
        if (problems.Count > 0)
            throw new CheckpointException(path, problems);
    }

    private static QuantizedTensor Read(
        string path,
        SafetensorsReader reader,
        QuantizationScheme scheme,
        string name,
        IQuantizable layer
    )
    {
        float[] scales = ModuleFile.Read<float>(reader, reader.Find($"{name}.weight_scales")!);
        if (scales.Any(scale => !float.IsFinite(scale)))
            throw new CheckpointException(path, [$"'{name}.weight_scales' has a scale that is not finite"]);
        byte[] codes = ModuleFile.Read<byte>(reader, reader.Find($"{name}.weight_codes")!);
        return new QuantizedTensor(
            layer.Weight.Shape,
            scheme.Bits,
            scheme.WeightGroup,
            ImmutableCollectionsMarshal.AsImmutableArray(codes),
            ImmutableCollectionsMarshal.AsImmutableArray(scales)
        );
    }
}
