using System.Globalization;
using System.Text.Json;

namespace NativeAmp.Planning;

/// <summary>The sizes of a decoder-only transformer. Its training is planned from them.</summary>
public sealed record TransformerModel
{
    private const double MostParameters = 1e15;

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Transformer layers, l.</summary>
    public required int Layers { get; init; }

    /// <summary>Size of the hidden vectors, h.</summary>
    public required int Width { get; init; }

    /// <summary>Attention heads, a; they divide the width.</summary>
    public required int Heads { get; init; }

    /// <summary>
    /// Number of heads of keys and values (grouped-query attention); it divides <see cref="Heads"/>, which is the
    /// default.
    /// </summary>
    public int KeyValueHeads { get; init; }

    /// <summary>Size of the feed-forward network's hidden vectors; 4 h by default.</summary>
    public int FeedForward { get; init; }

    /// <summary>Whether the feed-forward network has a third matrix, a gate (SwiGLU).</summary>
    public bool GatedFeedForward { get; init; }

    /// <summary>Number of tokens, V.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Positions of a sequence, s.</summary>
    public required int Context { get; init; }

    /// <summary>Whether positions have learned vectors.</summary>
    public bool LearnedPositions { get; init; } = true;

    /// <summary>Whether the head shares the embedding's matrix.</summary>
    public bool TiedEmbeddings { get; init; } = true;

    /// <summary>Whether linear layers and norms have biases.</summary>
    public bool Biases { get; init; } = true;

    /// <summary>Number of training tokens, D; null if it is not given.</summary>
    public double? Tokens { get; init; }

    /// <summary>The source of the sizes.</summary>
    public string Source { get; init; } = "given";

    /// <summary>
    /// Elements of a layer's matrices: 2 h² (1 + kv / a) of attention and 2 or 3 h f of the feed-forward network; 12 h²
    /// for GPT.
    /// </summary>
    public double LayerMatrixElements
    {
        get
        {
            double h = Width,
                f = FeedForward;
            return 2 * h * h * (1 + (double)KeyValueHeads / Heads) + (GatedFeedForward ? 3 : 2) * h * f;
        }
    }

    /// <summary>
    /// Parameters of a layer, with biases and norms: 12 h² + 13 h for GPT (arXiv 2104.04473, section 5.1).
    /// </summary>
    public double LayerParameters
    {
        get
        {
            double h = Width,
                kv = h * KeyValueHeads / Heads;
            double vectors = Biases ? h + 2 * kv + h + FeedForward * (GatedFeedForward ? 2.0 : 1) + h + 4 * h : 2 * h;
            return LayerMatrixElements + vectors;
        }
    }

    /// <summary>Parameters of the embeddings: (V + s) h with learned positions.</summary>
    public double EmbeddingParameters => ((double)Vocabulary + (LearnedPositions ? Context : 0)) * Width;

    /// <summary>Parameters of the last norm, and of the head if it does not share the embedding's matrix.</summary>
    public double HeadParameters => (Biases ? 2.0 : 1) * Width + (TiedEmbeddings ? 0 : (double)Vocabulary * Width);

    /// <summary>
    /// All parameters, N. P = 12 l h² (1 + 13 / 12h + (V + s) / 12lh) for GPT (arXiv 2104.04473, equation 2), and 2 h
    /// of the last norm.
    /// </summary>
    public double Parameters => Layers * LayerParameters + EmbeddingParameters + HeadParameters;

    /// <summary>Fills in the defaults, and checks the model.</summary>
    /// <returns>A model whose numbers fit together.</returns>
    /// <exception cref="PlanException">They do not: for example a negative width, heads that do not divide it, or too
    /// many parameters.</exception>
    public TransformerModel Checked()
    {
        Positive(Layers, "layers");
        Positive(Width, "width");
        Positive(Heads, "heads");
        Positive(Vocabulary, "vocabulary");
        Positive(Context, "context");
        if (KeyValueHeads < 0 || FeedForward < 0)
            throw new PlanException(
                $"The model '{Name}' has a negative number of key-value heads or a negative feed-forward size."
            );
        if (Width % Heads != 0)
            throw new PlanException($"The model '{Name}' has {Heads} heads, which do not divide its width of {Width}.");
        TransformerModel full = this with
        {
            KeyValueHeads = KeyValueHeads == 0 ? Heads : KeyValueHeads,
            FeedForward = FeedForward == 0 ? (int)Math.Min(4L * Width, int.MaxValue) : FeedForward,
        };
        if (Heads % full.KeyValueHeads != 0)
            throw new PlanException(
                $"The model '{Name}' has {full.KeyValueHeads} key-value heads, which do not divide its {Heads} heads."
            );
        if (Tokens is { } tokens && !(tokens >= 1 && tokens <= 1e18))
            throw new PlanException(
                FormattableString.Invariant(
                    $"The model '{Name}' is trained on {tokens} tokens; that is a number from 1 to 1e18."
                )
            );
        if (full.Parameters > MostParameters)
            throw new PlanException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The model '{Name}' has {full.Parameters:0.0e+0} parameters; more than {MostParameters:0e+0} "
                        + $"cannot be planned."
                )
            );
        return full;

        void Positive(int value, string what)
        {
            if (value < 1)
                throw new PlanException($"The model '{Name}' has {what} of {value}; that is 1 or more.");
        }
    }

    internal static TransformerModel Read(JsonElement element, string where)
    {
        var facts = new FactReader(element, where);
        string name = facts.Text("name");
        facts = new FactReader(element, $"model '{name}' in {where}");
        TransformerModel model = new()
        {
            Name = facts.Text("name"),
            Layers = facts.Whole("layers", 1, 1_000_000),
            Width = facts.Whole("width", 1, 10_000_000),
            Heads = facts.Whole("heads", 1, 10_000_000),
            KeyValueHeads = facts.Whole("key_value_heads", 1, 10_000_000, 0),
            FeedForward = facts.Whole("feed_forward", 1, 100_000_000, 0),
            GatedFeedForward = facts.Flag("gated_feed_forward", false),
            Vocabulary = facts.Whole("vocabulary", 1, 100_000_000),
            Context = facts.Whole("context", 1, 100_000_000),
            LearnedPositions = facts.Flag("learned_positions", true),
            TiedEmbeddings = facts.Flag("tied_embeddings", true),
            Biases = facts.Flag("biases", true),
            Tokens = facts.OptionalReal("tokens", 1, 1e18),
            Source = facts.Text("source", where),
        };
        facts.RefuseOthers();
        return model.Checked();
    }
}
