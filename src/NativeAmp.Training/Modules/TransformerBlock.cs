namespace NativeAmp.Training;

/// <summary>
/// x + attention(norm1(x)), then x + feed-forward(norm2(x)): a pre-norm block with an activation and a hidden layer
/// four times as wide. Modules: "norm1", "attention", "norm2", "expand", "contract". The sum x keeps its dtype
/// (float32 after an embedding); the branches may compute in another.
/// </summary>
public sealed class TransformerBlock : Module
{
    private const string Intermediate = "it was an intermediate of a TransformerBlock";

    private readonly Dropout _dropout;

    /// <summary>A block with PyTorch's initial values, or those of an initializer and biases of zeros.</summary>
    /// <param name="width">Size of the last dimension.</param>
    /// <param name="heads">Number of attention heads; it divides the width.</param>
    /// <param name="causal">Whether a position attends only to itself and earlier ones.</param>
    /// <param name="dropout">Probability of dropout on both branches.</param>
    /// <param name="initializer">Draws the weights of the linear layers; null for PyTorch's default.</param>
    /// <param name="random">The generator of values and masks; null for <see cref="RandomGenerator.Default"/>.</param>
    /// <param name="activation">The hidden layer's: any but None.</param>
    public TransformerBlock(
        int width,
        int heads,
        bool causal = false,
        float dropout = 0,
        Initializer? initializer = null,
        RandomGenerator? random = null,
        Activation activation = Activation.Gelu
    )
    {
        if (activation == Activation.None || !Enum.IsDefined(activation))
            throw new ArgumentOutOfRangeException(
                nameof(activation),
                activation,
                "A block needs one of the activations, and not None."
            );
        Activation = activation;
        Norm1 = Register("norm1", new LayerNorm(width));
        Attention = Register("attention", new MultiHeadAttention(width, heads, causal, initializer, random));
        Norm2 = Register("norm2", new LayerNorm(width));
        Expand = Register("expand", new Linear(width, checked(4 * width), initializer: initializer, random: random));
        Contract = Register("contract", new Linear(4 * width, width, initializer: initializer, random: random));
        _dropout = Register("dropout", new Dropout(dropout, random));
    }

    /// <summary>The norm before the attention.</summary>
    public LayerNorm Norm1 { get; }

    /// <summary>The attention.</summary>
    public MultiHeadAttention Attention { get; }

    /// <summary>The norm before the hidden layer.</summary>
    public LayerNorm Norm2 { get; }

    /// <summary>[width] to the hidden layer, 4 · width.</summary>
    public Linear Expand { get; }

    /// <summary>The hidden layer to [width].</summary>
    public Linear Contract { get; }

    /// <summary>The hidden layer's activation.</summary>
    public Activation Activation { get; }

    /// <summary>Computes the block's output, [batch, time, width] like the input.</summary>
    public override Tensor Forward(Tensor input) => Forward(input, givesUpInput: false, past: null);

    /// <summary>
    /// The same for an intermediate that is not read afterwards: the sum takes its memory if possible.
    /// </summary>
    /// <param name="input">The intermediate.</param>
    /// <param name="past">Keys and values of earlier times, which those of the input follow; or null.</param>
    internal Tensor ForwardInPlace(Tensor input, KeyValueCache.Layer? past = null)
    {
        using ObserverFrame.ModuleScope scope = ObserverFrame.Enter(this);
        return Forward(input, givesUpInput: true, past);
    }

    private Tensor Forward(Tensor input, bool givesUpInput, KeyValueCache.Layer? past)
    {
        Tensor attended = AddBranch(
            input,
            givesUpInput,
            Norm1,
            (normalized, residual) => Attention.Call(normalized, past, residual)
        );
        return AddBranch(attended, true, Norm2, FeedForward);
    }

    // branch(normalized, residual) adds its output to a residual that is not null, in its memory.
    private Tensor AddBranch(Tensor input, bool givesUpInput, LayerNorm norm, Func<Tensor, Tensor?, Tensor> branch)
    {
        Tensor? residual = givesUpInput && !_dropout.Drops ? input : null;
        Tensor normalized = norm.ForwardForLowPrecision(input);
        Tensor computed = branch(normalized, residual);
        normalized.ReleaseUnlessCallers(Intermediate);
        if (residual is not null)
            return computed;
        Tensor dropped = _dropout.Call(computed);
        Tensor output = givesUpInput ? Ops.AddInPlace(input, dropped, Intermediate) : Ops.Add(input, dropped);
        computed.ReleaseUnlessCallers(Intermediate);
        dropped.ReleaseUnlessCallers(Intermediate);
        return output;
    }

    private Tensor FeedForward(Tensor input, Tensor? residual)
    {
        Tensor hidden = Expand.Forward(input, Activation);
        Tensor output = Contract.CallAfter(residual, hidden, Intermediate);
        hidden.ReleaseUnlessCallers(Intermediate);
        return output;
    }
}
