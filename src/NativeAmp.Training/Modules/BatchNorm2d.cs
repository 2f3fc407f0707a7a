namespace NativeAmp.Training;

/// <summary>
/// Batch normalization of [batch, channels, ...]. Parameters: "weight" and "bias" [channels]; buffers: "running_mean"
/// and "running_var". In training a channel whose mean or variance is not finite in a batch (an activation overflowed)
/// keeps its running ones, so that evaluation stays right when the step is skipped; the running statistics of other
/// channels move with a skipped step too.
/// </summary>
public sealed class BatchNorm2d : Module
{
    private readonly float _epsilon;
    private readonly float _momentum;

    /// <summary>A layer that begins as the identity over normalized channels.</summary>
    /// <param name="channels">Channels of the input.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="momentum">The weight of each batch in the running statistics.</param>
    public BatchNorm2d(int channels, float epsilon = 1e-5f, float momentum = 0.1f)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(channels);
        _epsilon = epsilon;
        _momentum = momentum;
        Weight = Register("weight", Create([channels], Initializers.Constant(1)));
        Bias = Register("bias", Create([channels], Initializers.Constant(0)));
        RunningMean = RegisterBuffer("running_mean", Create([channels], Initializers.Constant(0)));
        RunningVariance = RegisterBuffer("running_var", Create([channels], Initializers.Constant(1)));
    }

    /// <summary>[channels].</summary>
    public Parameter Weight { get; }

    /// <summary>[channels].</summary>
    public Parameter Bias { get; }

    /// <summary>[channels]; what <see cref="Module.Eval"/> normalizes with.</summary>
    public Parameter RunningMean { get; }

    /// <summary>[channels], unbiased; what <see cref="Module.Eval"/> normalizes with.</summary>
    public Parameter RunningVariance { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) =>
        Ops.BatchNorm2d(input, Weight, Bias, RunningMean, RunningVariance, IsTraining, _momentum, _epsilon);
}
