using NativeAmp.Training.Checkpoints;

namespace NativeAmp.Training.Export;

/// <summary>
/// A <see cref="Gpt"/> as a folder of Hugging Face's transformers: model.safetensors with the names of GPT2LMHeadModel,
/// and config.json. Matrices of linear layers are transposed there (Conv1D). The head's matrix is the token embedding,
/// which the file has once.
/// </summary>
public static class TransformersGpt2
{
    private const string TensorFile = "model.safetensors";
    private const string ConfigFile = "config.json";
    private const string Prefix = "transformer.";
    private const string Head = "lm_head.weight";

    // Buffers of older files: the causal mask.
    private static readonly string[] Masks = [".attn.bias", ".attn.masked_bias"];

    private static readonly Gpt2Names Names = new(
        Tokens: Prefix + "wte",
        Positions: Prefix + "wpe",
        Block: Prefix + "h.{0}.",
        Norm1: "ln_1",
        Qkv: "attn.c_attn",
        Projection: "attn.c_proj",
        Norm2: "ln_2",
        Expand: "mlp.c_fc",
        Contract: "mlp.c_proj",
        Norm: Prefix + "ln_f"
    );

    /// <summary>Writes a model. The folder is created if it is not there; a crash leaves each file old or
    /// new.</summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="dtype">Float32, Float16 or BFloat16, to which values are rounded.</param>
    /// <exception cref="ExportException">A finite number is beyond float16's range, or a layer is quantised. Nothing
    /// was changed.</exception>
    /// <exception cref="ArgumentException">It is another dtype.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static void Save(Gpt model, string folder, DType dtype = DType.Float32)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        SafetensorsDType type = ModuleFile.TypeOf(dtype);
        IReadOnlyList<(string Name, Gpt2Part Part, Parameter Values)> parts = Names.OfFloats(model);
        Directory.CreateDirectory(folder);
        AtomicFile.Write(
            Path.Combine(folder, TensorFile),
            stream =>
            {
                // transformers refuses a file that does not say who wrote it for whom.
                var writer = new SafetensorsWriter(
                    stream,
                    parts.Select(part => new SafetensorsEntry(part.Name, type, Sizes(part.Part, part.Values))),
                    new Dictionary<string, string> { ["format"] = "pt" }
                );
                foreach ((string name, Gpt2Part part, Parameter values) in parts)
                    writer.Write(FloatBytes.InRange(InFile(part, values), dtype, name));
                writer.Complete();
            }
        );
        Gpt2Config.Save(Path.Combine(folder, ConfigFile), model.Options, dtype);
    }

    /// <summary>
    /// Reads a model: one that <see cref="Save"/> or transformers wrote in one file, with or without the prefix of the
    /// names. It has no dropout, and is in host memory until <see cref="ModuleExtensions.To{T}(T, Device)"/>.
    /// </summary>
    /// <param name="folder">The folder with config.json and model.safetensors.</param>
    /// <exception cref="Data.DataFormatException">A file is damaged, or of a model that a Gpt cannot be.</exception>
    /// <exception cref="CheckpointException">The tensors are not those that the configuration says.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static Gpt Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        GptOptions options = Gpt2Config.Load(Path.Combine(folder, ConfigFile));
        string file = Path.Combine(folder, TensorFile);
        using SafetensorsReader reader = SafetensorsReader.Open(file);
        // Before memory is taken: the sizes may come from anyone.
        if (!MayHold(reader, options))
            throw new CheckpointException(file, [$"it is too small for {options}"]);

        var model = new Gpt(options);
        (Gpt2Part Part, Parameter Values, SafetensorsEntry? Entry)[] pairs =
        [
            .. Names.OfFloats(model).Select(each => (each.Part, each.Values, Find(reader, each.Name))),
        ];
        List<string> problems = [];
        foreach (
            ((string name, Gpt2Part part, Parameter values), SafetensorsEntry? entry) in Names
                .OfFloats(model)
                .Zip(pairs.Select(pair => pair.Entry))
        )
        {
            if (entry is null)
                problems.Add($"there is no '{name}'");
            else if (entry.DType is not (SafetensorsDType.F32 or SafetensorsDType.F16 or SafetensorsDType.BF16))
                problems.Add($"'{entry.Name}' is {entry.DType}, where F32, F16 and BF16 can be loaded");
            else if (!entry.Shape.SequenceEqual(Sizes(part, values)))
                problems.Add(
                    $"'{entry.Name}' is [{string.Join(", ", entry.Shape)}], where the configuration says "
                        + $"[{string.Join(", ", Sizes(part, values))}]"
                );
        }

        var known = pairs.Select(pair => pair.Entry?.Name).ToHashSet();
        problems.AddRange(
            reader
                .Entries.Select(entry => entry.Name)
                .Where(name => !known.Contains(name) && name != Head && !Masks.Any(name.EndsWith))
                .Select(name => $"'{name}' is not of GPT-2")
        );
        if (problems.Count > 0)
            throw new CheckpointException(file, problems);
        foreach ((Gpt2Part part, Parameter values, SafetensorsEntry? entry) in pairs)
        {
            float[] numbers = ModuleFile.Read(reader, entry!);
            values.WriteMaster(
                part == Gpt2Part.Matrix ? Matrices.Transpose(numbers, entry!.Shape[0], entry.Shape[1]) : numbers
            );
        }

        return model;
    }

    // A file of the model without its head has the names without the prefix.
    private static SafetensorsEntry? Find(SafetensorsReader reader, string name) =>
        reader.Find(name) ?? reader.Find(name[Prefix.Length..]);

    /// <summary>Whether a file has as many tensors and bytes as the least that a model takes.</summary>
    private static bool MayHold(SafetensorsReader reader, GptOptions options)
    {
        decimal width = options.Width;
        decimal numbers = width * ((decimal)options.Vocabulary + options.Context) + options.Blocks * 12 * width * width;
        return reader.Entries.Count >= 12L * options.Blocks + 4
            && reader.Entries.Sum(entry => (decimal)entry.ByteLength) >= numbers * sizeof(ushort);
    }

    private static long[] Sizes(Gpt2Part part, Parameter values)
    {
        long[] sizes = values.Shape.Dimensions.ToArray();
        return part == Gpt2Part.Matrix ? [sizes[1], sizes[0]] : sizes;
    }

    private static float[] InFile(Gpt2Part part, Parameter values) =>
        part == Gpt2Part.Matrix
            ? Matrices.Transpose(values.ReadMaster(), values.Shape[0], values.Shape[1])
            : values.ReadMaster();
}
