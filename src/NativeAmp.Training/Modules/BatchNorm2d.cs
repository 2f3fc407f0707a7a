namespace NativeAmp.Training;

/// <summary>
/// Batch normalization of [batch, channels, ...]. Parameters: "weight" and "bias" [channels]; buffers: "running_mean"
/// and "running_var". In training, a channel whose mean or variance in a batch is not finite (an activation overflowed)
/// keeps its running statistics, so that evaluation stays right when the step is skipped. The running statistics of
/// other channels move even if the step is skipped.
/// </summary>
public sealed class BatchNorm2d : Module
{
    private readonly float _momentum;

    /// <summary>A layer with weights of 1 and biases of 0.</summary>
    /// <param name="channels">Channels of the input.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="momentum">The weight of each batch in the running statistics.</param>
    public BatchNorm2d(int channels, float epsilon = 1e-5f, float momentum = 0.1f)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(channels);
        Epsilon = epsilon;
        _momentum = momentum;
        Weight = Register("weight", CreateFloat32([channels], Initializers.Constant(1)));
        Bias = Register("bias", CreateFloat32([channels], Initializers.Constant(0)));
        RunningMean = RegisterBuffer("running_mean", Create([channels], Initializers.Constant(0)));
        RunningVariance = RegisterBuffer("running_var", Create([channels], Initializers.Constant(1)));
    }

    /// <summary>[channels].</summary>
    public Parameter Weight { get; }

    /// <summary>[channels].</summary>
    public Parameter Bias { get; }

    /// <summary>[channels]. The mean used after <see cref="Module.Eval"/>.</summary>
    public Parameter RunningMean { get; }

    /// <summary>[channels], unbiased. The variance used after <see cref="Module.Eval"/>.</summary>
    public Parameter RunningVariance { get; }

    /// <summary>Added to the variance.</summary>
    public float Epsilon { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) =>
        Ops.BatchNorm2d(input, Weight, Bias, RunningMean, RunningVariance, IsTraining, _momentum, Epsilon);
}
