using NativeAmp.Training.Quantization;

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
    /// Writes a model. Matrices have the type, positions, norms and biases are float32. The matrices of quantised
    /// layers are their integers as they are, as Q8_0 or Q4_0, with scales rounded to float16. A token is a byte; the
    /// byte 0 ends a text. A crash leaves the old file or the new one.
    /// </summary>
    /// <param name="model">A model over 256 tokens, whose activation is <see cref="Activation.GeluTanh"/>.</param>
    /// <param name="path">The file.</param>
    /// <param name="type">The type of the matrices that are not quantised.</param>
    /// <exception cref="ExportException">The activation is another, tokens are not bytes, a row is not whole blocks, a
    /// number does not fit the type, or the layers have codes for their inputs
    /// (<see cref="QuantizationKind.Int8Static"/>). No file was written.</exception>
    /// <exception cref="ArgumentOutOfRangeException">It is none of the types.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(Gpt model, string path, GgufType type = GgufType.F16)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Enum.IsDefined(type))
            throw new ArgumentOutOfRangeException(nameof(type), type, "A GGUF file has F32, F16, BF16, Q8_0 or Q4_0.");
        GptOptions options = model.Options;
        Check(model);

        Gpt2Tensor[] tensors = [.. Names.Of(model)];
        GgufWriter file = new GgufWriter()
            .Add("general.architecture", "gpt2")
            .Add("general.name", "NativeAmp Gpt")
            .Add("general.file_type", FileType(Mostly(tensors) ?? type))
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
        foreach (Gpt2Tensor tensor in tensors)
        {
            (string name, Gpt2Part part, Parameter? values, QuantizedTensor? integers) = tensor;
            GgufType own = integers is null ? TypeOf(part, type) : GgufBlocks.TypeOf(integers);
            long row = tensor.Shape[-1];
            if (own is GgufType.Q8_0 or GgufType.Q4_0 && row % GgufBlocks.Length != 0)
                throw new ExportException(
                    name,
                    $"'{name}' has rows of {row} numbers, and {own} has blocks of {GgufBlocks.Length}. Take "
                        + $"{GgufType.F16}, or train with a width that is a multiple of {GgufBlocks.Length}."
                );
            file.Add(
                name,
                tensor.Shape,
                own,
                () =>
                    integers is null
                        ? GgufBlocks.Encode(values!.ReadMaster(), own, name)
                        : GgufBlocks.Encode(integers, name)
            );
        }

        file.Save(path);
    }

    private static void Check(Gpt model)
    {
        GptOptions options = model.Options;
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
        if (IQuantizable.Of(model).FirstOrDefault(each => each.Layer.InputCodes is not null).Name is { } layer)
            throw new ExportException(
                layer,
                $"Layer '{layer}' has codes for its inputs ({QuantizationKind.Int8Static}), and llama.cpp finds those of "
                    + $"its own as inputs come. Quantise by {QuantizationKind.Int8}, or export ONNX."
            );
    }

    /// <summary>The type of the first integers, as programs call the file after most of its matrices.</summary>
    private static GgufType? Mostly(Gpt2Tensor[] tensors) =>
        tensors.FirstOrDefault(tensor => tensor.Integers is not null).Integers is { } integers
            ? GgufBlocks.TypeOf(integers)
            : null;

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
