using System.Globalization;

namespace NativeAmp.Training;

/// <summary>
/// A decoder-only transformer over int32 tokens [batch, time] that returns logits [batch, time, vocabulary]. It has
/// learned positions, pre-norm blocks, a final norm, and a head that shares the token embedding's weight. Weights are
/// initialized from N(0, 0.02).
/// </summary>
public sealed partial class Gpt : Module
{
    private const string Intermediate = "it was an intermediate of a Gpt";

    private readonly Dropout _dropout;
    private readonly TransformerBlock[] _blocks;

    /// <summary>A model of these sizes.</summary>
    /// <param name="options">The sizes; null for the defaults.</param>
    /// <param name="random">The generator of values and masks; null for <see cref="RandomGenerator.Default"/>.</param>
    /// <param name="initializer">Draws the weights; null for N(0, 0.02). Constant(0) takes no time where weights are
    /// read from a file.</param>
    public Gpt(GptOptions? options = null, RandomGenerator? random = null, Initializer? initializer = null)
    {
        Options = options ?? new GptOptions();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Options.Context);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Options.Blocks);
        Initializer draw = initializer ?? Initializers.Normal(0.02f);
        Tokens = Register("tokens", new Embedding(Options.Vocabulary, Options.Width, draw, random));
        Positions = Register("positions", CreateFloat32([Options.Context, Options.Width], draw, random));
        _dropout = Register("dropout", new Dropout(Options.Dropout, random));
        _blocks = new TransformerBlock[Options.Blocks];
        for (int i = 0; i < _blocks.Length; i++)
        {
            var block = new TransformerBlock(
                Options.Width,
                Options.Heads,
                causal: true,
                Options.Dropout,
                draw,
                random,
                Options.Activation
            );
            _blocks[i] = Register($"block{i.ToString(CultureInfo.InvariantCulture)}", block);
        }

        Norm = Register("norm", new LayerNorm(Options.Width));
    }

    /// <summary>The sizes.</summary>
    public GptOptions Options { get; }

    /// <summary>The token embedding, whose weight is the head's too.</summary>
    public Embedding Tokens { get; }

    /// <summary>[context, width]. Added to the token embeddings.</summary>
    public Parameter Positions { get; }

    /// <summary>The blocks, in order.</summary>
    public IReadOnlyList<TransformerBlock> Blocks => _blocks;

    /// <summary>The norm before the head.</summary>
    public LayerNorm Norm { get; }

    /// <summary>
    /// Computes logits [batch, time, vocabulary] from int32 [batch, time]. The time is at most the context.
    /// </summary>
    public override Tensor Forward(Tensor input) => Forward(input, cache: null);

    /// <summary>
    /// Softmax cross-entropy of the logits and the tokens that follow. The logits do not become a tensor, and their
    /// gradient takes their memory (<see cref="Loss.LinearCrossEntropy"/>).
    /// </summary>
    /// <param name="input">int32 [batch, time].</param>
    /// <param name="labels">int32 [batch, time]: the token after each.</param>
    public override Tensor ClassLoss(Tensor input, Tensor labels)
    {
        using ObserverFrame.ModuleScope scope = ObserverFrame.Enter(this);
        Tensor normalized = Features(input, cache: null);
        Tensor loss = Loss.LinearCrossEntropy(normalized, Tokens.Weight, labels);
        normalized.ReleaseUnlessCallers(Intermediate);
        return loss;
    }

    /// <summary>
    /// The same for tokens that follow those of a cache, which then has these too: the first call gets a whole prompt,
    /// each later one a token. Under <see cref="NoGrad"/> only. Attention gives the bits of the whole sequence on the
    /// CPU; matrix products add in another order for another number of rows, so logits differ by that rounding.
    /// </summary>
    /// <param name="input">int32 [batch, time].</param>
    /// <param name="cache">The cache; null for a sequence that begins here, and is not kept.</param>
    /// <exception cref="ContextLengthException">They are more than the cache has room for.</exception>
    /// <exception cref="ArgumentException">The cache is of a model of other sizes, of another batch, or on another
    /// device.</exception>
    /// <exception cref="InvalidOperationException">Gradients are recorded, or the cache is of another dtype than
    /// attention computes in. The cache's length is as before, as after any other failure.</exception>
    public Tensor Forward(Tensor input, KeyValueCache? cache)
    {
        Tensor normalized = Features(input, cache);
        Tensor logits = Replace(normalized, Ops.Linear(normalized, Tokens.Weight));
        cache?.Grow(input.Shape[1]);
        return logits;
    }

    // What the head gets.
    private Tensor Features(Tensor input, KeyValueCache? cache)
    {
        ArgumentNullException.ThrowIfNull(input);
        Requires.That(
            input.Shape.Rank == 2 && input.Shape[1] <= Options.Context,
            input,
            null,
            $"tokens are [batch, time] with a time of at most {Options.Context}",
            nameof(Gpt)
        );
        cache?.Check(this, input);
        Tensor positions = PositionsOf(cache?.Length ?? 0, input.Shape[1]);
        Tensor embedded = Tokens.Call(input);
        Tensor positioned = Ops.AddInPlace(embedded, positions, Intermediate);
        positions.ReleaseUnlessCallers(Intermediate);
        Tensor current = Replace(positioned, _dropout.Call(positioned));
        for (int i = 0; i < _blocks.Length; i++)
            current = _blocks[i].ForwardInPlace(current, cache?.Layers[i]);
        return Replace(current, Norm.ForwardForLowPrecision(current));
    }

    private static Tensor Replace(Tensor old, Tensor next)
    {
        if (old != next)
            old.ReleaseUnlessCallers(Intermediate);
        return next;
    }

    private Tensor PositionsOf(long first, long time) =>
        time == Options.Context ? Positions : Ops.Rows(Positions, first, time);
}
