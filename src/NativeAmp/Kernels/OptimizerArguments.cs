using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Which column of a <see cref="TensorTable"/> holds what an optimizer's step works on; -1 for a column that there is
/// not.
/// </summary>
public readonly record struct OptimizerColumns
{
    /// <summary>Parameter, gradient and two columns of state in columns 0 to 3, and nothing else.</summary>
    public OptimizerColumns() { }

    /// <summary>float32.</summary>
    public int Parameter { get; init; } = 0;

    /// <summary>float32, float16 or bfloat16. A tensor without one is left out of the step.</summary>
    public int Gradient { get; init; } = 1;

    /// <summary>The rule's first column of state, float32: Adam's first moment.</summary>
    public int FirstState { get; init; } = 2;

    /// <summary>The rule's second column of state, float32: Adam's second moment.</summary>
    public int SecondState { get; init; } = 3;

    /// <summary>The rule's third column of state, float32: Adam's largest second moment so far, for AMSGrad.</summary>
    public int ThirdState { get; init; } = -1;

    /// <summary>float16 or bfloat16 copy that is written along. Tensors without one are left out.</summary>
    public int ComputeCopy { get; init; } = -1;

    /// <summary>Parameter, gradient, columns of state and the compute copy beside each other.</summary>
    internal static OptimizerColumns WithComputeCopy(int states) =>
        new()
        {
            FirstState = states > 0 ? 2 : -1,
            SecondState = states > 1 ? 3 : -1,
            ThirdState = states > 2 ? 4 : -1,
            ComputeCopy = 2 + states,
        };

    internal unsafe NampOptimizerColumns ToNative()
    {
        var native = new NampOptimizerColumns
        {
            Parameter = Parameter,
            Gradient = Gradient,
            ComputeCopy = ComputeCopy,
        };
        native.State[0] = FirstState;
        native.State[1] = SecondState;
        native.State[2] = ThirdState;
        return native;
    }
}

/// <summary>What an optimizer's step does beyond its hyperparameters.</summary>
public readonly record struct OptimizerStepOptions
{
    /// <summary>No clipping, compute copies rounded to nearest, the step counted.</summary>
    public OptimizerStepOptions() { }

    /// <summary>
    /// Gradients are clipped to this global L2 norm, which the unscale-and-check of this step must have measured; 0 for
    /// no clipping.
    /// </summary>
    public float MaxNorm { get; init; }

    /// <summary>How compute copies are rounded.</summary>
    public Rounding CopyRounding { get; init; }

    /// <summary>Stochastic rounding: key of the generator.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether the step is counted: not for the tables of a step before its last.</summary>
    public bool AdvanceStep { get; init; } = true;

    /// <summary>
    /// Whether the step begins with an <see cref="AmpKernels.UnscaleAndCheck"/> that writes nothing, so that a step
    /// over one table is one native call.
    /// </summary>
    public bool CheckGradients { get; init; }
}
