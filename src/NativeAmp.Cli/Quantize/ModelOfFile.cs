using System.Globalization;
using NativeAmp.Cli.Inspect;
using NativeAmp.Cli.Train;
using NativeAmp.Training;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Cli.Quantize;

/// <summary>
/// One of the command's own networks from a file: a checkpoint of train, a model in float, or a quantised one. The
/// names and shapes of the tensors tell which network it is.
/// </summary>
internal sealed class ModelOfFile : IDisposable
{
    private const string HeadsKey = "heads";
    private const string CheckpointPrefix = "model.";
    private const int CnnFeatures = 64;
    private const int HeadWidth = 32; // of train's defaults: a width of 256 and 8 heads

    private ModelOfFile(string path, Device device, int? heads)
    {
        Path = InspectInputs.Resolve(path) is [var file] ? file : path;
        using var reader = SafetensorsReader.Open(Path);
        Bytes = reader.Entries.Sum(entry => entry.ByteLength);
        IsQuantized = reader.Metadata.GetValueOrDefault("format") == QuantizedFile.Format;
        Prefix = reader.Entries.Any(entry => entry.Name.StartsWith(CheckpointPrefix, StringComparison.Ordinal))
            ? CheckpointPrefix
            : "";
        (Kind, Model) = Create(reader, heads);
        try
        {
            Model.To(device);
            if (IsQuantized)
                Scheme = QuantizedFile.Load(Model, Path);
            else
                LoadFloats();
        }
        catch
        {
            Model.Dispose();
            throw;
        }

        Model.Eval();
    }

    /// <summary>The safetensors file.</summary>
    public string Path { get; }

    /// <summary>Bytes of the model's tensors, without an optimizer's state.</summary>
    public long Bytes { get; private set; }

    public ModelKind Kind { get; }

    /// <summary>In evaluation mode.</summary>
    public Module Model { get; }

    public bool IsQuantized { get; }

    /// <summary>The scheme of a quantised file.</summary>
    public QuantizationScheme? Scheme { get; }

    /// <summary>Heads of each attention of gpt.</summary>
    private int Heads { get; set; }

    private string Prefix { get; }

    /// <summary>The facts of a quantised file about its network that its tensors do not show.</summary>
    public IReadOnlyDictionary<string, string> Metadata =>
        Kind == ModelKind.Gpt
            ? new Dictionary<string, string> { [HeadsKey] = Heads.ToString(CultureInfo.InvariantCulture) }
            : new Dictionary<string, string>();

    /// <summary>Reads a model.</summary>
    /// <param name="path">The file, or a folder of checkpoints.</param>
    /// <param name="device">The device of the model.</param>
    /// <param name="heads">Heads of gpt's attention; null to take them from the file.</param>
    /// <exception cref="DataFormatException">It is damaged, or not one of the command's networks.</exception>
    /// <exception cref="CheckpointException">Its tensors do not fit the network.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ModelOfFile Open(string path, Device device, int? heads) => new(path, device, heads);

    public void Dispose() => Model.Dispose();

    private (ModelKind Kind, Module Model) Create(SafetensorsReader reader, int? heads)
    {
        // The values are overwritten, all of them.
        var random = new RandomGenerator(1);
        if (Shape(reader, "positions") is [var context, var width])
        {
            _ = Size(width, GptSize.MostWidth);
            int blocks = 0;
            while (
                reader.Find($"{Prefix}block{blocks.ToString(CultureInfo.InvariantCulture)}.norm1.weight") is not null
            )
                blocks++;
            Heads = heads ?? HeadsOf(reader, width);
            if (Heads < 1 || width % Heads != 0)
                throw new DataFormatException(
                    Path,
                    0,
                    $"{Heads} heads for a width of {width}",
                    "a divisor of the width"
                );
            var options = new GptOptions
            {
                Context = Size(context, GptSize.MostContext),
                Width = Size(width, GptSize.MostWidth),
                Heads = Heads,
                Blocks = Size(blocks, GptSize.MostBlocks),
                Vocabulary = Size(Shape(reader, "tokens.weight")?[0] ?? 0, 1 << 20),
            };
            return (ModelKind.Gpt, Models.Gpt(options, random));
        }

        if (Layer(reader, "7") is [_, var features] && Layer(reader, "9") is [var classes, _])
            return (
                ModelKind.Cnn,
                // Only the product of the sizes counts here.
                Models.Cnn(random, Size(features / CnnFeatures, 1 << 20) * 4, 4, Size(classes, 1 << 16))
            );
        if (Layer(reader, "1") is [_, var inputs] && Layer(reader, "3") is [var outputs, _])
            return (ModelKind.Mlp, Models.Mlp(random, Size(inputs, 1 << 24), Size(outputs, 1 << 16)));
        throw new DataFormatException(Path, 0, "tensors of another network", "cnn, mlp or gpt of 'nativeamp train'");
    }

    private static int HeadsOf(SafetensorsReader reader, long width)
    {
        // "gpt, context 128, width 256, heads 8, blocks 4", as train's checkpoints say.
        string? text =
            reader.Metadata.GetValueOrDefault(HeadsKey)
            ?? reader
                .Metadata.GetValueOrDefault("model")
                ?.Split(", ")
                .FirstOrDefault(part => part.StartsWith("heads ", StringComparison.Ordinal))
                ?["heads ".Length..];
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int heads)
            ? heads
            : (int)Math.Max(1, width / HeadWidth);
    }

    private int Size(long size, int most) =>
        size >= 1 && size <= most
            ? (int)size
            : throw new DataFormatException(Path, 0, $"a network with a size of {size}", $"1 to {most}");

    private IReadOnlyList<long>? Shape(SafetensorsReader reader, string name) => reader.Find(Prefix + name)?.Shape;

    // [outputs, inputs] of a linear layer.
    private IReadOnlyList<long>? Layer(SafetensorsReader reader, string name) =>
        Shape(reader, name + ".weight") ?? ShapeText(reader, name);

    private static IReadOnlyList<long>? ShapeText(SafetensorsReader reader, string name)
    {
        string[]? parts = reader.Metadata.GetValueOrDefault($"shape.{name}")?.Split(',');
        return
            parts is [var rows, var columns]
            && long.TryParse(rows, NumberStyles.None, CultureInfo.InvariantCulture, out long outputs)
            && long.TryParse(columns, NumberStyles.None, CultureInfo.InvariantCulture, out long inputs)
            ? [outputs, inputs]
            : null;
    }

    private void LoadFloats()
    {
        ModuleLoadResult result = Model.Load(
            Path,
            // Names of an optimizer's state in a checkpoint become names that no model has.
            name => name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : $"/{name}",
            strict: false
        );
        if (result.Missing.Count > 0)
            throw new CheckpointException(Path, [.. result.Missing.Select(name => $"there is no '{name}'")]);
        Bytes = Model.State().Sum(each => each.Values.Count * sizeof(float));
    }
}
