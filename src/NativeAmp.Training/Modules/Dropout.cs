namespace NativeAmp.Training;

/// <summary>
/// Zeroes elements at random in training; the identity after <see cref="Module.Eval"/>. See <see cref="Ops.Dropout"/>.
/// </summary>
public sealed class Dropout : Module
{
    private readonly float _probability;
    private readonly RandomGenerator _random;

    /// <summary>Dropout with a probability.</summary>
    /// <param name="probability">Probability that an element is zeroed, in [0, 1).</param>
    /// <param name="random">The generator of the masks; null for <see cref="RandomGenerator.Default"/>.</param>
    public Dropout(float probability, RandomGenerator? random = null)
    {
        if (!(probability >= 0 && probability < 1))
            throw new ArgumentOutOfRangeException(
                nameof(probability),
                probability,
                "A dropout probability is in [0, 1)."
            );
        _probability = probability;
        _random = random ?? RandomGenerator.Default;
    }

    /// <summary>Whether it zeroes elements now.</summary>
    internal bool Drops => IsTraining && _probability > 0;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => IsTraining ? Ops.Dropout(input, _probability, _random) : input;
}
