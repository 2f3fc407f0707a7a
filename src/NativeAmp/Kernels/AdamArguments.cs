using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>Which column of a <see cref="TensorTable"/> holds what an Adam step works on; -1 for a column that there is not.</summary>
public readonly record struct AdamColumns
{
    /// <summary>Parameter, gradient and the two moments in columns 0 to 3, and nothing else.</summary>
    public AdamColumns()
    {
    }

    /// <summary>float32.</summary>
    public int Parameter { get; init; } = 0;

    /// <summary>float32, float16 or bfloat16. A tensor without one is left out of the step.</summary>
    public int Gradient { get; init; } = 1;

    /// <summary>First moment, float32.</summary>
    public int FirstMoment { get; init; } = 2;

    /// <summary>Second moment, float32.</summary>
    public int SecondMoment { get; init; } = 3;

    /// <summary>Largest second moment so far, float32; for AMSGrad.</summary>
    public int LargestSecondMoment { get; init; } = -1;

    /// <summary>float16 or bfloat16 copy that is written along. Tensors without one are left out.</summary>
    public int HalfCopy { get; init; } = -1;

    internal NampAdamColumns ToNative() => new()
    {
        Parameter = Parameter,
        Gradient = Gradient,
        ExpAvg = FirstMoment,
        ExpAvgSq = SecondMoment,
        MaxExpAvgSq = LargestSecondMoment,
        HalfCopy = HalfCopy,
    };
}

/// <summary>What an Adam step does beyond its hyperparameters.</summary>
public readonly record struct AdamStepOptions
{
    /// <summary>No clipping, half copies rounded to nearest, the step counted.</summary>
    public AdamStepOptions()
    {
    }

    /// <summary>Gradients are clipped to this global L2 norm, which the unscale-and-check of this step must have measured; 0 for no clipping.</summary>
    public float MaxNorm { get; init; }

    /// <summary>How half copies are rounded.</summary>
    public Rounding HalfCopyRounding { get; init; }

    /// <summary>Stochastic rounding: key of the generator.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether the step is counted: not for the tables of a step before its last.</summary>
    public bool AdvanceStep { get; init; } = true;

    /// <summary>
    /// Whether the step begins with an <see cref="AmpKernels.UnscaleAndCheck"/> that writes nothing, so that a step over one table is one native call.
    /// </summary>
    public bool CheckGradients { get; init; }
}
