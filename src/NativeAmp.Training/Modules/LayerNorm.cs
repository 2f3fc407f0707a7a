namespace NativeAmp.Training;

/// <summary>Layer normalization over the last dimension. Parameters: "weight" and "bias" [width].</summary>
public sealed class LayerNorm : Module
{
    /// <summary>A layer with weights of 1 and biases of 0.</summary>
    /// <param name="width">Size of the last dimension.</param>
    /// <param name="epsilon">Added to the variance.</param>
    public LayerNorm(int width, float epsilon = 1e-5f)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        Epsilon = epsilon;
        Weight = Register("weight", CreateFloat32([width], Initializers.Constant(1)));
        Bias = Register("bias", CreateFloat32([width], Initializers.Constant(0)));
    }

    /// <summary>[width].</summary>
    public Parameter Weight { get; }

    /// <summary>[width].</summary>
    public Parameter Bias { get; }

    /// <summary>Added to the variance.</summary>
    public float Epsilon { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.LayerNorm(input, Weight, Bias, Epsilon);

    /// <summary>
    /// The same, rounded to the dtype of the low-precision operator that follows: one pass instead of two.
    /// </summary>
    internal Tensor ForwardForLowPrecision(Tensor input) =>
        Ops.LayerNorm(input, Weight, Bias, Epsilon, Precision.Of("linear", input));
}
