using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>Hyperparameters of Adam. The defaults are those of <c>torch.optim.AdamW</c>.</summary>
public readonly record struct AdamOptions
{
    /// <summary>The defaults.</summary>
    public AdamOptions()
    {
    }

    /// <summary>Learning rate, 0 or more.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Decay of the first moment, in [0, 1).</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment, in [0, 1).</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the denominator, 0 or more.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Weight decay, 0 or more.</summary>
    public double WeightDecay { get; init; } = 1e-2;

    /// <summary>Whether the decay is taken from the parameters (AdamW) and not added to the gradients (Adam with L2).</summary>
    public bool Decoupled { get; init; } = true;

    /// <summary>Whether the largest second moment so far is the one divided by (Reddi et al. 2018).</summary>
    public bool AmsGrad { get; init; }

    /// <summary>Whether to go up the gradient.</summary>
    public bool Maximize { get; init; }

    /// <summary>How half copies are rounded; the same for all groups of an optimizer.</summary>
    public Rounding HalfCopyRounding { get; init; }

    /// <summary>Stochastic rounding: key of the generator; the same for all groups of an optimizer.</summary>
    public ulong RoundingSeed { get; init; }

    internal NampAdamGroup ToNative() => new()
    {
        LearningRate = LearningRate,
        Beta1 = Beta1,
        Beta2 = Beta2,
        Epsilon = Epsilon,
        WeightDecay = WeightDecay,
        Decoupled = Decoupled ? 1 : 0,
        Amsgrad = AmsGrad ? 1 : 0,
        Maximize = Maximize ? 1 : 0,
    };

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">One is not possible.</exception>
    internal void Validate()
    {
        Check(double.IsFinite(LearningRate) && LearningRate >= 0, nameof(LearningRate), LearningRate, "finite and 0 or more");
        Check(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "in [0, 1)");
        Check(Beta2 is >= 0 and < 1, nameof(Beta2), Beta2, "in [0, 1)");
        Check(double.IsFinite(Epsilon) && Epsilon >= 0, nameof(Epsilon), Epsilon, "finite and 0 or more");
        Check(double.IsFinite(WeightDecay) && WeightDecay >= 0, nameof(WeightDecay), WeightDecay, "finite and 0 or more");
        Check(Enum.IsDefined(HalfCopyRounding), nameof(HalfCopyRounding), HalfCopyRounding, "one of its names");
    }

    private static void Check(bool valid, string name, object value, string expected)
    {
        if (!valid) throw new ArgumentException(FormattableString.Invariant($"Adam's {name} is {value}; it must be {expected}."));
    }
}
