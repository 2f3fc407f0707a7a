namespace NativeAmp.Training;

/// <summary>
/// Root mean square normalization over the last dimension (Zhang and Sennrich 2019). Parameter: "weight" [width].
/// </summary>
public sealed class RmsNorm : Module
{
    /// <summary>A layer with weights of 1.</summary>
    /// <param name="width">Size of the last dimension.</param>
    /// <param name="epsilon">Added to the mean of squares.</param>
    public RmsNorm(int width, float epsilon = 1e-6f)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        Epsilon = epsilon;
        Weight = Register("weight", CreateFloat32([width], Initializers.Constant(1)));
    }

    /// <summary>[width].</summary>
    public Parameter Weight { get; }

    /// <summary>Added to the mean of squares.</summary>
    public float Epsilon { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.RmsNorm(input, Weight, Epsilon);
}
