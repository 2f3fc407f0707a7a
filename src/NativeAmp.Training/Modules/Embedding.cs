namespace NativeAmp.Training;

/// <summary>A table of vectors, looked up by index. Parameter: "weight" [vocabulary, width].</summary>
public sealed class Embedding : Module
{
    /// <summary>A table with values from an initializer; by default from the standard normal distribution.</summary>
    /// <param name="vocabulary">Number of indices.</param>
    /// <param name="width">Size of a vector.</param>
    /// <param name="initializer">Draws the table; null for the standard normal distribution.</param>
    /// <param name="random">The generator of the values; null for <see cref="RandomGenerator.Default"/>.</param>
    public Embedding(int vocabulary, int width, Initializer? initializer = null, RandomGenerator? random = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabulary);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        Weight = Register("weight", CreateFloat32([vocabulary, width], initializer ?? Initializers.Normal(1), random));
        // A row's gradients are seldom, and of very different size from those of its block.
        Weight.KeepsFloat32State = true;
    }

    /// <summary>[vocabulary, width].</summary>
    public Parameter Weight { get; }

    /// <summary>Looks up int32 indices [...]; the result is [..., width].</summary>
    public override Tensor Forward(Tensor input) => Ops.Embedding(input, Weight);
}
