namespace NativeAmp.Training.Export;

/// <summary>
/// Writes a <see cref="Gpt"/> over bytes as a GGUF file of architecture "gpt2", for llama.cpp and the programs on
/// top of it (LLamaSharp, Ollama, LM Studio).
/// </summary>
public static class GgufExport
{
    private const int Vocabulary = 256;

    // The tokenizer's type of an ordinary token.
    private const int NormalToken = 1;

    private static readonly Gpt2Names Names = new(
        Tokens: "token_embd",
        Positions: "position_embd",
        Block: "blk.{0}.",
        Norm1: "attn_norm",
        Qkv: "attn_qkv",
        Projection: "attn_output",
        Norm2: "ffn_norm",
        Expand: "ffn_up",
        Contract: "ffn_down",
        Norm: "output_norm"
    );

    /// <summary>
    /// Writes a model. Matrices have the type, positions, norms and biases are float32. A token is a byte; the byte 0
    /// ends a text. A crash leaves the old file or the new one.
    /// </summary>
    /// <param name="model">A model over 256 tokens, whose activation is <see cref="Activation.GeluTanh"/>.</param>
    /// <param name="path">The file.</param>
    /// <param name="type">The matrices' type.</param>
    /// <exception cref="ExportException">The activation is another, tokens are not bytes, a row is not whole blocks, or
    /// a number does not fit the type. No file was written.</exception>
    /// <exception cref="ArgumentOutOfRangeException">It is none of the types.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(Gpt model, string path, GgufType type = GgufType.F16)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Enum.IsDefined(type))
            throw new ArgumentOutOfRangeException(nameof(type), type, "A GGUF file has F32, F16, BF16, Q8_0 or Q4_0.");
        GptOptions options = model.Options;
        Check(options);

        GgufWriter file = new GgufWriter()
            .Add("general.architecture", "gpt2")
            .Add("general.name", "NativeAmp Gpt")
            .Add("general.file_type", FileType(type))
            .Add("general.quantization_version", 2)
            .Add("gpt2.context_length", options.Context)
            .Add("gpt2.embedding_length", options.Width)
            .Add("gpt2.feed_forward_length", (int)model.Blocks[0].Expand.Bias!.Shape[0])
            .Add("gpt2.block_count", options.Blocks)
            .Add("gpt2.attention.head_count", options.Heads)
            .Add("gpt2.attention.layer_norm_epsilon", model.Norm.Epsilon)
            .Add("tokenizer.ggml.model", "gpt2")
            .Add("tokenizer.ggml.pre", "gpt-2")
            .Add("tokenizer.ggml.tokens", ByteTokens.All)
            .Add("tokenizer.ggml.token_type", [.. Enumerable.Repeat(NormalToken, Vocabulary)])
            .Add("tokenizer.ggml.merges", Array.Empty<string>())
            .Add("tokenizer.ggml.bos_token_id", 0)
            .Add("tokenizer.ggml.eos_token_id", 0)
            .Add("tokenizer.ggml.add_bos_token", false)
            .Add("tokenizer.ggml.add_eos_token", false);
        foreach ((string name, Gpt2Part part, Parameter values) in Names.Of(model))
        {
            GgufType own = TypeOf(part, type);
            if (own is GgufType.Q8_0 or GgufType.Q4_0 && values.Shape[-1] % GgufBlocks.Length != 0)
                throw new ExportException(
                    name,
                    $"'{name}' has rows of {values.Shape[-1]} numbers, and {own} has blocks of {GgufBlocks.Length}. Take "
                        + $"{GgufType.F16}, or train with a width that is a multiple of {GgufBlocks.Length}."
                );
            file.Add(name, values.Shape, own, values.ReadMaster);
        }

        file.Save(path);
    }

    private static void Check(GptOptions options)
    {
        if (options.Activation != Activation.GeluTanh)
            throw new ExportException(
                "",
                $"The model's activation is {options.Activation}, and llama.cpp computes gpt2 with "
                    + $"{Activation.GeluTanh}. Train it with GptOptions.Activation = {Activation.GeluTanh} "
                    + "('nativeamp train --gelu tanh'), or export ONNX."
            );
        if (options.Vocabulary != Vocabulary)
            throw new ExportException(
                "",
                $"The model has {options.Vocabulary} tokens, and the file's vocabulary is the {Vocabulary} bytes. Train "
                    + "it on bytes, or export ONNX, which needs no vocabulary."
            );
    }

    private static GgufType TypeOf(Gpt2Part part, GgufType type) =>
        part switch
        {
            Gpt2Part.Matrix => type,
            Gpt2Part.Tokens => type == GgufType.Q4_0 ? GgufType.Q8_0 : type,
            _ => GgufType.F32,
        };

    // llama_ftype, which programs show.
    private static int FileType(GgufType type) =>
        type switch
        {
            GgufType.F32 => 0,
            GgufType.F16 => 1,
            GgufType.Q4_0 => 2,
            GgufType.Q8_0 => 7,
            _ => 32,
        };
}
