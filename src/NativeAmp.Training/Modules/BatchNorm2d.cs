namespace NativeAmp.Training;

/// <summary>
/// Batch normalization of [batch, channels, ...]. Parameters: "weight" and "bias" [channels]; buffers: "running_mean"
/// and "running_var". In training, a channel whose mean or variance in a batch is not finite (an activation overflowed)
/// keeps its running statistics, so that evaluation stays right when the step is skipped. The running statistics of
/// other channels move even if the step is skipped. A layer that was folded into the convolution before it
/// (<see cref="Quantization.BatchNormFolding"/>) passes its input on, and has neither parameters nor buffers.
/// </summary>
public sealed class BatchNorm2d : Module
{
    private readonly float _momentum;
    private readonly Parameter _weight;
    private readonly Parameter _bias;
    private readonly Parameter _mean;
    private readonly Parameter _variance;

    /// <summary>A layer with weights of 1 and biases of 0.</summary>
    /// <param name="channels">Channels of the input.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="momentum">The weight of each batch in the running statistics.</param>
    public BatchNorm2d(int channels, float epsilon = 1e-5f, float momentum = 0.1f)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(channels);
        Epsilon = epsilon;
        _momentum = momentum;
        _weight = Register("weight", CreateFloat32([channels], Initializers.Constant(1)));
        _bias = Register("bias", CreateFloat32([channels], Initializers.Constant(0)));
        _mean = RegisterBuffer("running_mean", Create([channels], Initializers.Constant(0)));
        _variance = RegisterBuffer("running_var", Create([channels], Initializers.Constant(1)));
    }

    /// <summary>Whether the layer is part of the convolution before it.</summary>
    public bool IsFolded { get; private set; }

    /// <summary>[channels].</summary>
    /// <exception cref="InvalidOperationException">The layer is folded.</exception>
    public Parameter Weight => OfLayer(_weight);

    /// <summary>[channels].</summary>
    /// <exception cref="InvalidOperationException">The layer is folded.</exception>
    public Parameter Bias => OfLayer(_bias);

    /// <summary>[channels]. The mean used after <see cref="Module.Eval"/>.</summary>
    /// <exception cref="InvalidOperationException">The layer is folded.</exception>
    public Parameter RunningMean => OfLayer(_mean);

    /// <summary>[channels], unbiased. The variance used after <see cref="Module.Eval"/>.</summary>
    /// <exception cref="InvalidOperationException">The layer is folded.</exception>
    public Parameter RunningVariance => OfLayer(_variance);

    /// <summary>Added to the variance.</summary>
    public float Epsilon { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) =>
        IsFolded ? input : Ops.BatchNorm2d(input, _weight, _bias, _mean, _variance, IsTraining, _momentum, Epsilon);

    /// <summary>Gives up the parameters and buffers: a convolution has them.</summary>
    internal void Fold()
    {
        IsFolded = true;
        foreach (Parameter values in (Parameter[])[_weight, _bias, _mean, _variance])
        {
            Unregister(values);
            values.Dispose();
        }
    }

    private Parameter OfLayer(Parameter values) =>
        IsFolded
            ? throw new InvalidOperationException("The batch norm is folded: its values are in the convolution's.")
            : values;
}
