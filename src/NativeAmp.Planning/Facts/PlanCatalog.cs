using System.Text.Json;

namespace NativeAmp.Planning;

/// <summary>
/// The models and GPUs known by name: those of this library, and those that a user adds from JSON files.
/// </summary>
public sealed class PlanCatalog
{
    private const long MostBytes = 4 << 20;

    private readonly Dictionary<string, TransformerModel> _models;
    private readonly Dictionary<string, Gpu> _gpus;

    private PlanCatalog(Dictionary<string, TransformerModel> models, Dictionary<string, Gpu> gpus) =>
        (_models, _gpus) = (models, gpus);

    /// <summary>The catalog of this library, from its models.json and gpus.json. Each entry has its source.</summary>
    public static PlanCatalog Standard { get; } = ReadStandard();

    /// <summary>All models by name.</summary>
    public IEnumerable<TransformerModel> Models => _models.Values;

    /// <summary>All GPUs by name.</summary>
    public IEnumerable<Gpu> Gpus => _gpus.Values;

    /// <summary>
    /// A catalog that also has the models and GPUs of a file, or of all *.json files of a folder. An entry with a known
    /// name replaces the known one.
    /// </summary>
    /// <param name="path">A file {"models": […], "gpus": […]}, either alone, or a folder of such files.</param>
    /// <exception cref="PlanException">The path does not exist or cannot be read, or an entry is not right.</exception>
    public PlanCatalog With(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var models = new Dictionary<string, TransformerModel>(_models);
        var gpus = new Dictionary<string, Gpu>(_gpus);
        string[] files = Directory.Exists(path)
            ? [.. Directory.GetFiles(path, "*.json").Order(StringComparer.Ordinal)]
            : [path];
        if (files.Length == 0)
            throw new PlanException($"The folder {path} has no *.json file.");
        foreach (string file in files)
            AddAll(Open(file), file, models, gpus);
        return new PlanCatalog(models, gpus);
    }

    /// <summary>A model by its name, or by a JSON file that describes one.</summary>
    /// <param name="nameOrFile">A known name, such as gpt3-175b, or the path of a file.</param>
    /// <exception cref="PlanException">It is neither. The message lists the nearest known names.</exception>
    public TransformerModel Model(string nameOrFile) =>
        Find(nameOrFile, _models, "model", element => TransformerModel.Read(element, nameOrFile));

    /// <summary>A GPU by its name, or by a JSON file that describes one.</summary>
    /// <param name="nameOrFile">A known name, such as a100-80g, or the path of a file.</param>
    /// <exception cref="PlanException">It is neither. The message lists the nearest known names.</exception>
    public Gpu Gpu(string nameOrFile) =>
        Find(nameOrFile, _gpus, "GPU", element => Planning.Gpu.Read(element, nameOrFile));

    internal static Stream Embedded(string name) =>
        typeof(PlanCatalog).Assembly.GetManifestResourceStream(name)
        ?? throw new InvalidOperationException($"{name} is not in this assembly.");

    private static T Find<T>(string name, Dictionary<string, T> known, string kind, Func<JsonElement, T> read)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (known.TryGetValue(name.ToLowerInvariant(), out T? entry))
            return entry;
        if (name.EndsWith(".json", StringComparison.OrdinalIgnoreCase) || File.Exists(name))
        {
            using JsonDocument document = Open(name);
            return read(document.RootElement);
        }

        string[] near = Nearest.Names(name, known.Keys);
        string hint =
            near.Length > 0 ? $"near it are {string.Join(", ", near)}" : $"known are {string.Join(", ", known.Keys)}";
        throw new PlanException(
            $"There is no {kind} '{(name.Length <= 60 ? name : name[..60] + "…")}': {hint}, or the name of a .json "
                + "file."
        );
    }

    private static JsonDocument Open(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            if (stream.CanSeek && stream.Length > MostBytes)
                throw new PlanException(
                    $"{path} has {stream.Length} bytes; a file of models or GPUs has at most {MostBytes}."
                );
            return FactReader.Parse(stream, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PlanException($"{path} cannot be read: {e.Message}");
        }
    }

    private static PlanCatalog ReadStandard()
    {
        var models = new Dictionary<string, TransformerModel>();
        var gpus = new Dictionary<string, Gpu>();
        foreach (string name in (string[])["models.json", "gpus.json"])
        {
            using Stream stream = Embedded(name);
            AddAll(FactReader.Parse(stream, name), name, models, gpus);
        }

        return new PlanCatalog(models, gpus);
    }

    private static void AddAll(
        JsonDocument document,
        string where,
        Dictionary<string, TransformerModel> models,
        Dictionary<string, Gpu> gpus
    )
    {
        using (document)
        {
            JsonElement root = document.RootElement;
            if (
                root.ValueKind != JsonValueKind.Object
                || !root.EnumerateObject().All(p => p.Name is "models" or "gpus")
            )
                throw new PlanException($"{where} is not {{\"models\": [ … ], \"gpus\": [ … ]}}.");
            foreach (JsonElement element in List(root, "models", where))
            {
                TransformerModel model = TransformerModel.Read(element, where);
                models[model.Name.ToLowerInvariant()] = model;
            }

            foreach (JsonElement element in List(root, "gpus", where))
            {
                Gpu gpu = Planning.Gpu.Read(element, where);
                gpus[gpu.Name.ToLowerInvariant()] = gpu;
            }
        }
    }

    private static JsonElement.ArrayEnumerator List(JsonElement root, string name, string where)
    {
        if (!root.TryGetProperty(name, out JsonElement list))
            return default;
        return list.ValueKind == JsonValueKind.Array
            ? list.EnumerateArray()
            : throw new PlanException($"'{name}' of {where} is no list.");
    }
}
