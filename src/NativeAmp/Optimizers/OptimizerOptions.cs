using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Hyperparameters of a parameter group: those that every rule has. A rule's own are those of <see cref="AdamOptions"/>
/// and its like.
/// </summary>
/// <remarks>A closed set: each kind stands for a rule that the kernels have.</remarks>
public abstract record OptimizerOptions
{
    private protected OptimizerOptions() { }

    /// <summary>Learning rate, 0 or more.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Weight decay, 0 or more.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Whether to go up the gradient.</summary>
    public bool Maximize { get; init; }

    /// <summary>How compute copies are rounded; the same for all groups of an optimizer.</summary>
    public Rounding CopyRounding { get; init; }

    /// <summary>Stochastic rounding: key of the generator; the same for all groups of an optimizer.</summary>
    public ulong RoundingSeed { get; init; }

    /// <summary>The rule's name, as <c>--optimizer</c> and checkpoints have it.</summary>
    public abstract string RuleName { get; }

    /// <summary>The rule that the kernels are told.</summary>
    internal abstract NampRule Rule { get; }

    /// <summary>
    /// What the rule remembers of each element with these options, a float32 each, in the words of <c>torch.optim</c>.
    /// </summary>
    internal abstract IReadOnlyList<string> StateNames { get; }

    /// <summary>An optimizer of this rule.</summary>
    internal abstract FusedOptimizer CreateOptimizer(IEnumerable<ParameterGroup> groups);

    /// <summary>The rule's own hyperparameters, in words.</summary>
    internal abstract string Describe();

    /// <summary>What the kernels are told; a rule adds its own.</summary>
    internal virtual NampOptimizerGroup ToNative() =>
        new()
        {
            LearningRate = LearningRate,
            WeightDecay = WeightDecay,
            Maximize = Maximize ? 1 : 0,
        };

    /// <summary>Checks the values; a rule adds its own.</summary>
    /// <exception cref="ArgumentException">One is not possible.</exception>
    internal virtual void Validate()
    {
        Check(
            double.IsFinite(LearningRate) && LearningRate >= 0,
            nameof(LearningRate),
            LearningRate,
            "finite and 0 or more"
        );
        Check(
            double.IsFinite(WeightDecay) && WeightDecay >= 0,
            nameof(WeightDecay),
            WeightDecay,
            "finite and 0 or more"
        );
        Check(Enum.IsDefined(CopyRounding), nameof(CopyRounding), CopyRounding, "one of its names");
    }

    /// <summary>Whether an optimizer that has these options can go on with others.</summary>
    internal bool CanBecome(OptimizerOptions other) =>
        Rule == other.Rule
        && StateNames.SequenceEqual(other.StateNames)
        && CopyRounding == other.CopyRounding
        && RoundingSeed == other.RoundingSeed;

    /// <summary>Throws unless a value is possible.</summary>
    private protected void Check(bool valid, string name, object value, string expected)
    {
        if (!valid)
            throw new ArgumentException(
                FormattableString.Invariant($"The {name} of {RuleName} is {value}; it must be {expected}.")
            );
    }
}
