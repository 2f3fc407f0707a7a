namespace NativeAmp.Training;

/// <summary>
/// Multi-head self-attention over [batch, time, width]. Modules: "qkv", whose output packs query, key and value, and
/// "projection".
/// </summary>
public sealed class MultiHeadAttention : Module
{
    /// <summary>Attention with PyTorch's initial values, or those of an initializer and biases of zeros.</summary>
    /// <param name="width">Size of the last dimension.</param>
    /// <param name="heads">Number of heads; it divides the width.</param>
    /// <param name="causal">Whether a position attends only to itself and earlier ones.</param>
    /// <param name="initializer">Draws the weights; null for PyTorch's default of linear layers.</param>
    /// <param name="random">The generator of the values; null for <see cref="RandomGenerator.Default"/>.</param>
    public MultiHeadAttention(
        int width,
        int heads,
        bool causal = false,
        Initializer? initializer = null,
        RandomGenerator? random = null
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(heads);
        if (width % heads != 0)
            throw new ArgumentException($"{heads} heads do not divide a width of {width}.", nameof(heads));
        Heads = heads;
        IsCausal = causal;
        Qkv = Register("qkv", new Linear(width, checked(3 * width), initializer: initializer, random: random));
        Projection = Register("projection", new Linear(width, width, initializer: initializer, random: random));
    }

    /// <summary>Number of heads.</summary>
    public int Heads { get; }

    /// <summary>Whether a position attends only to itself and earlier ones.</summary>
    public bool IsCausal { get; }

    /// <summary>The projection of [width] to query, key and value, one after the other.</summary>
    public Linear Qkv { get; }

    /// <summary>The output projection, which mixes the heads.</summary>
    public Linear Projection { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Forward(input, past: null, residual: null);

    /// <summary>
    /// <see cref="Module.Call"/> with the keys and values of earlier times, or null; added to a residual as
    /// <see cref="Linear.CallAfter"/> does.
    /// </summary>
    internal Tensor Call(Tensor input, KeyValueCache.Layer? past, Tensor? residual)
    {
        using ObserverFrame.ModuleScope scope = ObserverFrame.Enter(this);
        return Forward(input, past, residual);
    }

    private Tensor Forward(Tensor input, KeyValueCache.Layer? past, Tensor? residual)
    {
        Tensor packed = Qkv.Call(input);
        Tensor heads = Ops.PackedAttention(packed, Heads, IsCausal, past);
        packed.ReleaseUnlessCallers("it was the packed projection of an attention");
        Tensor output = Projection.CallAfter(residual, heads, "it was the residual that an attention was added to");
        heads.ReleaseUnlessCallers("it was the output of an attention's heads");
        return output;
    }
}
