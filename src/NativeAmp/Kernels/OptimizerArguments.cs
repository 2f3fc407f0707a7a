using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// The columns of a <see cref="TensorTable"/> that an optimizer's step works on; -1 for a column that is not there.
/// </summary>
public readonly record struct OptimizerColumns
{
    /// <summary>Parameter, gradient and two states in columns 0 to 3; no other columns.</summary>
    public OptimizerColumns() { }

    /// <summary>
    /// Column of parameters: float32, bfloat16 with a <see cref="Remainder"/>, or bfloat16 or float16 alone.
    /// </summary>
    public int Parameter { get; init; } = 0;

    /// <summary>
    /// Column of gradients: float32, float16, bfloat16 or FP8. A tensor without one is left out of the step.
    /// </summary>
    public int Gradient { get; init; } = 1;

    /// <summary>The rule's first column of state, float32: Adam's first moment.</summary>
    public int FirstState { get; init; } = 2;

    /// <summary>The rule's second column of state, float32: Adam's second moment.</summary>
    public int SecondState { get; init; } = 3;

    /// <summary>The rule's third column of state, float32: Adam's largest second moment so far, for AMSGrad.</summary>
    public int ThirdState { get; init; } = -1;

    /// <summary>
    /// Column of compute copies, float16 or bfloat16, which the step writes for the tensors that have one.
    /// </summary>
    public int ComputeCopy { get; init; } = -1;

    /// <summary>
    /// Column of the remainders of bfloat16 parameters, <see cref="DType.Int16"/>: with them the parameters are float32
    /// masters. Tensors without one have no master.
    /// </summary>
    public int Remainder { get; init; } = -1;

    /// <summary>Parameter, gradient and states, in adjacent columns.</summary>
    internal static OptimizerColumns OfStates(int states) =>
        new()
        {
            FirstState = states > 0 ? 2 : -1,
            SecondState = states > 1 ? 3 : -1,
            ThirdState = states > 2 ? 4 : -1,
        };

    /// <summary>The same, and the compute copy behind them.</summary>
    internal static OptimizerColumns WithComputeCopy(int states) => OfStates(states) with { ComputeCopy = 2 + states };

    internal unsafe NampOptimizerColumns ToNative()
    {
        var native = new NampOptimizerColumns
        {
            Parameter = Parameter,
            Gradient = Gradient,
            ComputeCopy = ComputeCopy,
            Remainder = Remainder,
        };
        native.State[0] = FirstState;
        native.State[1] = SecondState;
        native.State[2] = ThirdState;
        return native;
    }
}

/// <summary>Settings of an optimizer's step beyond its hyperparameters.</summary>
public readonly record struct OptimizerStepOptions
{
    /// <summary>No clipping, weights rounded to nearest, the step counted.</summary>
    public OptimizerStepOptions() { }

    /// <summary>
    /// Largest global L2 norm; larger gradients are clipped to it. The unscale-and-check of this step must have
    /// measured the norm. 0 does not clip.
    /// </summary>
    public float MaxNorm { get; init; }

    /// <summary>How compute copies and parameters without masters are rounded.</summary>
    public Rounding WeightRounding { get; init; }

    /// <summary>Stochastic rounding: key of the generator.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether to count the step. If a step has several tables, only the last one counts it.</summary>
    public bool AdvanceStep { get; init; } = true;

    /// <summary>
    /// Whether the step begins with an <see cref="AmpKernels.UnscaleAndCheck"/> that writes nothing. A step over one
    /// table is then one native call.
    /// </summary>
    public bool CheckGradients { get; init; }

    /// <summary>Device pointer to rows of hyperparameters that replace those of the call; 0 for none.</summary>
    internal nint Rows { get; init; }
}
