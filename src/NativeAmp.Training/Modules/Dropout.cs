namespace NativeAmp.Training;

/// <summary>Zeroes elements at random in training; the identity in use. See <see cref="Ops.Dropout"/>.</summary>
public sealed class Dropout : Module
{
    private readonly float _probability;
    private readonly RandomGenerator _random;

    /// <summary>Dropout of a probability.</summary>
    /// <param name="probability">Of an element to be zeroed, in [0, 1).</param>
    /// <param name="random">Where the masks are drawn from; null for <see cref="RandomGenerator.Default"/>.</param>
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

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => IsTraining ? Ops.Dropout(input, _probability, _random) : input;
}
