namespace NativeAmp.Training;

/// <summary>Reshapes [batch, ...] to [batch, the product of the others], without a copy.</summary>
public sealed class Flatten : Module
{
    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.Flatten(input);
}
