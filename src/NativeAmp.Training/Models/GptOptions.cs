namespace NativeAmp.Training;

/// <summary>The sizes of a <see cref="Gpt"/>.</summary>
public sealed record GptOptions
{
    /// <summary>Number of tokens; 256 for bytes.</summary>
    public int Vocabulary { get; init; } = 256;

    /// <summary>The longest sequence, in tokens.</summary>
    public int Context { get; init; } = 128;

    /// <summary>Size of the embedding vectors.</summary>
    public int Width { get; init; } = 256;

    /// <summary>Attention heads; they divide the width.</summary>
    public int Heads { get; init; } = 8;

    /// <summary>Transformer blocks.</summary>
    public int Blocks { get; init; } = 4;

    /// <summary>
    /// The hidden layers' activation: any but None. GPT-2 has GeluTanh, and so must a model for llama.cpp.
    /// </summary>
    public Activation Activation { get; init; } = Activation.Gelu;

    /// <summary>Probability of dropout on every branch and on the embeddings.</summary>
    public float Dropout { get; init; }
}
