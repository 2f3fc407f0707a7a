using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Quantization;

/// <summary>
/// Quantised models as safetensors files. The weight of layer NAME is NAME.weight_codes, I8 [rows, columns] or U8
/// [rows, groups, group / 2] (<see cref="QuantizedTensor"/>), and NAME.weight_scales, F32 [rows, groups]; with
/// <see cref="QuantizationKind.Int8Static"/> also NAME.input_scale, F32 [1], and NAME.input_zero_point, I8 [1]
/// (<see cref="InputCodes"/>). All else of the model's state is F32 under its own name. The metadata has "format", the
/// scheme's "kind", "group" and "method", of a static one also "observer" and "percentile"; "shape.NAME" of each
/// quantised layer, such as "128,3136"; and "folded.NAME" of each folded batch norm, its convolution's name.
/// </summary>
public static partial class QuantizedFile
{
    /// <summary>The metadata's "format".</summary>
    public const string Format = "nativeamp-quantized-1";

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
        if (scheme.Kind == QuantizationKind.Int8Static)
        {
            all.Add(ObserverKey, scheme.Observer.ToString());
            all.Add(PercentileKey, scheme.Percentile.ToString("R", CultureInfo.InvariantCulture));
        }

        foreach ((string name, IQuantizable layer) in layers)
            all.Add(ShapeKey(name), ShapeText(layer.Quantized!.Shape));
        foreach ((string norm, string convolution) in BatchNormFolding.FoldedIn(model))
            all.Add(FoldedKey(norm), convolution);
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
            if (layer.InputCodes is { } input)
            {
                tensors.Add((InputScaleEntry(name), () => BitConverter.GetBytes(input.Scale)));
                tensors.Add((ZeroPointEntry(name), () => [(byte)(sbyte)input.ZeroPoint]));
            }
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
    /// <param name="model">The model, on a device.</param>
    /// <param name="path">The file.</param>
    /// <returns>The scheme of the file; <see cref="QuantizationScheme.Keep"/> names the layers that are
    /// float32.</returns>
    /// <exception cref="CheckpointException">Names, shapes, types or scales do not fit. Nothing was
    /// changed.</exception>
    /// <exception cref="DataFormatException">It is not a quantised model, or is damaged. Nothing was
    /// changed.</exception>
    /// <exception cref="InvalidOperationException">The model is quantised, is not on a device, or belongs to an
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
        BatchNormPair[] folded = FoldedPairs(path, reader.Metadata, model);
        SafetensorsEntry[] floats = [.. FloatEntries(model, coded.Select(each => each.Layer), folded)];
        Check(path, reader, scheme, coded, floats);

        // All of it is read before any of it is taken: a damaged file changes nothing.
        QuantizedTensor[] weights = [.. coded.Select(each => Read(path, reader, scheme, each.Name, each.Layer))];
        InputCodes?[] inputs = [.. coded.Select(each => ReadInput(path, reader, scheme, each.Name))];
        var values = floats.ToDictionary(each => each.Name, each => ModuleFile.Read(reader, reader.Find(each.Name)!));
        foreach (BatchNormPair pair in folded)
        {
            _ = pair.Convolution.RequireBias();
            pair.Norm.Fold();
        }

        foreach (((_, IQuantizable layer), QuantizedTensor weight, InputCodes? input) in coded.Zip(weights, inputs))
            layer.Quantize(weight, scheme.Kind, input);
        foreach ((string name, Parameter target) in FloatState(model, coded.Select(each => each.Layer)))
            target.WriteMaster(values[name]);
        return scheme with { Keep = [.. layers.Select(each => each.Name).Except(coded.Select(each => each.Name))] };
    }

    /// <summary>Parameters and buffers, without the weights of these layers.</summary>
    internal static IEnumerable<(string Name, Parameter Values)> FloatState(
        Module model,
        IEnumerable<IQuantizable> layers
    )
    {
        var without = layers.Select(layer => layer.FloatWeight).OfType<Parameter>().ToHashSet();
        return model.State().Where(each => !without.Contains(each.Values));
    }

    // The same as tensors of a file, where these batch norms are folded.
    private static IEnumerable<SafetensorsEntry> FloatEntries(
        Module model,
        IEnumerable<IQuantizable> layers,
        BatchNormPair[] folded
    )
    {
        var gone = folded.SelectMany(pair => pair.NormValues).ToHashSet();
        return FloatState(model, layers)
            .Where(each => !gone.Contains(each.Values))
            .Select(each => (each.Name, ModuleFile.Dimensions(each.Values)))
            .Concat(
                folded
                    .Where(pair => pair.Convolution.Bias is null)
                    .Select(pair => ($"{pair.ConvolutionName}.bias", new[] { pair.Convolution.WeightShape[0] }))
            )
            .Select(each => new SafetensorsEntry(each.Item1, SafetensorsDType.F32, each.Item2));
    }

    // The batch norms that the file has folded, each of which this model must be able to fold.
    private static BatchNormPair[] FoldedPairs(string path, IReadOnlyDictionary<string, string> metadata, Module model)
    {
        Dictionary<string, string> said = metadata
            .Where(each => each.Key.StartsWith(FoldedKey(""), StringComparison.Ordinal))
            .ToDictionary(each => each.Key[FoldedKey("").Length..], each => each.Value);
        foreach ((string norm, string convolution) in BatchNormFolding.FoldedIn(model))
        {
            if (said.GetValueOrDefault(norm) == convolution)
                said.Remove(norm);
        }

        if (said.Count == 0)
            return [];
        (IReadOnlyList<BatchNormPair> pairs, _) = BatchNormFolding.Find(model, []);
        BatchNormPair[] found = [.. pairs.Where(pair => said.GetValueOrDefault(pair.Name) == pair.ConvolutionName)];
        string[] problems =
        [
            .. said
                .Keys.Except(found.Select(pair => pair.Name))
                .Select(name => $"the model has no batch norm '{name}' that can be folded into '{said[name]}'"),
        ];
        if (problems.Length > 0)
            throw new CheckpointException(path, problems);
        foreach (BatchNormPair pair in found)
            pair.CheckFree();
        return found;
    }

    /// <summary>Whether a file says that it is one.</summary>
    internal static bool IsOne(SafetensorsReader reader) => reader.Metadata.GetValueOrDefault(FormatKey) == Format;

    private static void Check(
        string path,
        SafetensorsReader reader,
        QuantizationScheme scheme,
        (string Name, IQuantizable Layer)[] coded,
        SafetensorsEntry[] floats
    )
    {
        List<SafetensorsEntry> expected = [];
        List<string> problems = coded.Length == 0 ? ["no layer of the model has codes"] : [];
        foreach ((string name, IQuantizable layer) in coded)
        {
            Shape shape = layer.Weight.Shape;
            expected.Add(CodesEntry(name, shape, scheme.Bits, scheme.WeightGroup));
            expected.Add(ScalesEntry(name, shape, scheme.WeightGroup));
            if (scheme.Kind == QuantizationKind.Int8Static)
                expected.AddRange([InputScaleEntry(name), ZeroPointEntry(name)]);
            if (reader.Metadata.GetValueOrDefault(ShapeKey(name)) is var text && text != ShapeText(shape))
                problems.Add($"'{name}' has the shape '{text}', where the model's is '{ShapeText(shape)}'");
            if (shape.Count / shape[0] is var inputs && inputs > layer.MostInputs(scheme.Kind))
                problems.Add($"'{name}' has {inputs} inputs, too many for sums of 8-bit products");
        }

        expected.AddRange(floats);
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

    private static InputCodes? ReadInput(string path, SafetensorsReader reader, QuantizationScheme scheme, string name)
    {
        if (scheme.Kind != QuantizationKind.Int8Static)
            return null;
        float scale = ModuleFile.Read<float>(reader, reader.Find(InputScaleEntry(name).Name)!)[0];
        return float.IsFinite(scale) && scale > 0
            ? new InputCodes(scale, ModuleFile.Read<sbyte>(reader, reader.Find(ZeroPointEntry(name).Name)!)[0])
            : throw new CheckpointException(path, [$"'{name}.input_scale' is {scale}, not finite and above 0"]);
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
