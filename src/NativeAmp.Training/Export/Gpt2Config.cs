using System.Buffers;
using System.Text.Json;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Export;

/// <summary>The config.json of GPT-2 in Hugging Face's transformers, whose names are GPT2Config's.</summary>
internal static class Gpt2Config
{
    private const long LargestFile = 1 << 20;

    // Of every LayerNorm of a Gpt.
    private const float Epsilon = 1e-5f;
    private const int Wider = 4;

    private static readonly (string Name, Activation Activation)[] Activations =
    [
        ("gelu_new", Activation.GeluTanh),
        ("gelu", Activation.Gelu),
        ("relu", Activation.Relu),
        ("gelu_pytorch_tanh", Activation.GeluTanh),
        ("silu", Activation.Silu),
        ("sigmoid", Activation.Sigmoid),
        ("tanh", Activation.Tanh),
        ("swish", Activation.Silu),
    ];

    public static void Save(string path, GptOptions options, DType dtype)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartArray("architectures");
            json.WriteStringValue("GPT2LMHeadModel");
            json.WriteEndArray();
            json.WriteString("model_type", "gpt2");
            json.WriteNumber("vocab_size", options.Vocabulary);
            json.WriteNumber("n_positions", options.Context);
            json.WriteNumber("n_embd", options.Width);
            json.WriteNumber("n_layer", options.Blocks);
            json.WriteNumber("n_head", options.Heads);
            json.WriteNumber("n_inner", Wider * options.Width);
            json.WriteString(
                "activation_function",
                Activations.First(each => each.Activation == options.Activation).Name
            );
            json.WriteNumber("layer_norm_epsilon", Epsilon);
            json.WriteNumber("resid_pdrop", options.Dropout);
            json.WriteNumber("embd_pdrop", options.Dropout);
            json.WriteNumber("attn_pdrop", 0);
            json.WriteBoolean("tie_word_embeddings", true);
            // GPT-2's own, 50256, would be past a smaller vocabulary.
            json.WriteNull("bos_token_id");
            json.WriteNull("eos_token_id");
            json.WriteString("torch_dtype", dtype.ToString().ToLowerInvariant());
            json.WriteEndObject();
        }

        AtomicFile.Write(path, stream => stream.Write(buffer.WrittenSpan));
    }

    /// <summary>The sizes of a model that a <see cref="Gpt"/> can be.</summary>
    /// <exception cref="DataFormatException">The file is no such configuration, or of a model that a Gpt cannot
    /// be.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static GptOptions Load(string path)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(InputFile.ReadAll(path, LargestFile));
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                throw Bad(path, "JSON that is no object", "GPT-2's configuration");
            return Read(path, json.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DataFormatException(
                path,
                (e as JsonException)?.BytePositionInLine ?? 0,
                "text that is not JSON",
                "GPT-2's configuration",
                e
            );
        }
    }

    private static GptOptions Read(string path, JsonElement json)
    {
        if (Text(json, "model_type") is var type && type != "gpt2")
            throw Bad(path, $"a model_type of '{type}'", "gpt2");
        var options = new GptOptions
        {
            Vocabulary = Size(path, json, "vocab_size"),
            Context = Size(path, json, "n_positions"),
            Width = Size(path, json, "n_embd"),
            Blocks = Size(path, json, "n_layer"),
            Heads = Size(path, json, "n_head"),
            Activation = Activations
                .Where(each => each.Name == (Text(json, "activation_function") ?? "gelu_new"))
                .Select(each => each.Activation)
                .FirstOrDefault(),
        };
        if (options.Activation == Activation.None)
            throw Bad(
                path,
                $"an activation_function of '{Text(json, "activation_function")}'",
                string.Join(", ", Activations.Select(each => each.Name))
            );
        if (options.Width % options.Heads != 0)
            throw Bad(path, $"{options.Heads} heads of a width of {options.Width}", "heads that divide the width");
        if (Number(json, "n_inner") is { } inner && inner != (double)Wider * options.Width)
            throw Bad(path, $"an n_inner of {inner}", $"{Wider} times the width of {options.Width}");
        if (Number(json, "layer_norm_epsilon") is { } epsilon && (float)epsilon != Epsilon)
            throw Bad(path, $"a layer_norm_epsilon of {epsilon}", $"{Epsilon}");
        Flag(path, json, "tie_word_embeddings", wanted: true);
        Flag(path, json, "scale_attn_weights", wanted: true);
        Flag(path, json, "scale_attn_by_inverse_layer_idx", wanted: false);
        Flag(path, json, "add_cross_attention", wanted: false);
        return options;
    }

    private static int Size(string path, JsonElement json, string name) =>
        json.TryGetProperty(name, out JsonElement value)
        && value.ValueKind == JsonValueKind.Number
        && value.TryGetInt32(out int size)
        && size > 0
            ? size
            : throw Bad(path, $"no {name} above 0", "GPT-2's configuration");

    private static string? Text(JsonElement json, string name) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    private static double? Number(JsonElement json, string name) =>
        json.TryGetProperty(name, out JsonElement value)
        && value.ValueKind == JsonValueKind.Number
        && value.TryGetDouble(out double number)
            ? number
            : null;

    private static void Flag(string path, JsonElement json, string name, bool wanted)
    {
        if (
            json.TryGetProperty(name, out JsonElement value)
            && value.ValueKind == (wanted ? JsonValueKind.False : JsonValueKind.True)
        )
            throw Bad(path, $"{name} of {!wanted}", $"{wanted}, as in a Gpt");
    }

    private static DataFormatException Bad(string path, string found, string expected) => new(path, 0, found, expected);
}
