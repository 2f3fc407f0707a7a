using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Hyperparameters of a parameter group that every rule has. <see cref="AdamOptions"/> and the other derived types add
/// a rule's own.
/// </summary>
/// <remarks>A closed set: each derived type stands for a rule of the kernels.</remarks>
public abstract record OptimizerOptions
{
    private protected OptimizerOptions() { }

    /// <summary>Learning rate, 0 or more.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Weight decay, 0 or more.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Whether to maximize the loss instead of minimizing it.</summary>
    public bool Maximize { get; init; }

    /// <summary>
    /// How compute copies and parameters without masters are rounded; the same for all groups of an optimizer.
    /// </summary>
    public Rounding WeightRounding { get; init; }

    /// <summary>Stochastic rounding: key of the generator; the same for all groups of an optimizer.</summary>
    public ulong RoundingSeed { get; init; }

    /// <summary>How the float32 masters of half-precision parameters are kept.</summary>
    public MasterFormat MasterFormat { get; init; }

    /// <summary>
    /// How the rule's state is kept; <see cref="AdamOptions.SecondMomentFormat"/> may say another one for Adam's second
    /// moments. State is saved and loaded as float32, so a run goes on with any format.
    /// </summary>
    public StateFormat StateFormat { get; init; }

    /// <summary>
    /// Parameters with fewer elements keep their state in float32: they save little, and biases and norms are the most
    /// sensitive. So do those that say <see cref="IParameter.KeepsFloat32State"/>. The default is that of other 8-bit
    /// optimizers.
    /// </summary>
    public long MinimumCompactElements { get; init; } = 4096;

    /// <summary>Bytes of state for each element of a parameter whose state is compact.</summary>
    public double StateBytesPerElement => StateNames.Select((_, state) => KindOf(state).Format.BytesPerElement()).Sum();

    /// <summary>The rule's name, as used by <c>--optimizer</c> and checkpoints.</summary>
    public abstract string RuleName { get; }

    /// <summary>The rule's code for the kernels.</summary>
    internal abstract NampRule Rule { get; }

    /// <summary>
    /// Names of the rule's states with these options, as in <c>torch.optim</c>. Each has one value for each element.
    /// </summary>
    internal abstract IReadOnlyList<string> StateNames { get; }

    /// <summary>The format and the signedness of one of them.</summary>
    internal virtual (StateFormat Format, bool Signed) KindOf(int state) => (StateFormat, Signed: true);

    /// <summary>The element type of a parameter's state.</summary>
    internal DType StateDType(int state, IParameter parameter)
    {
        if (parameter.KeepsFloat32State || parameter.Count < MinimumCompactElements)
            return DType.Float32;
        (StateFormat format, bool signed) = KindOf(state);
        return format.DTypeOf(signed);
    }

    /// <summary>The element type of what the optimizer keeps of a parameter's master; none if nothing.</summary>
    internal DType RemainderDType(IParameter parameter) =>
        parameter.DType == DType.BFloat16 && MasterFormat == MasterFormat.Remainder ? DType.Int16 : DType.None;

    /// <summary>How a half-precision parameter and its master are kept, in words.</summary>
    internal string DescribeMaster(IParameter parameter) =>
        $"{parameter.DType.Name()} "
        + (
            MasterFormat == MasterFormat.Remainder ? "with remainders"
            : WeightRounding == Rounding.Stochastic ? "rounded stochastically"
            : "rounded to nearest"
        );

    /// <summary>An optimizer of this rule.</summary>
    internal abstract FusedOptimizer CreateOptimizer(IEnumerable<ParameterGroup> groups);

    /// <summary>The rule's own hyperparameters, in words.</summary>
    internal abstract string Describe();

    /// <summary>How the state is kept, in words.</summary>
    internal string DescribeState()
    {
        IEnumerable<string> formats = StateNames.Select((_, state) => KindOf(state).Format.Name());
        string all = string.Join(" and ", formats.Distinct());
        return all.Length == 0 ? "none" : all;
    }

    /// <summary>The hyperparameters for the kernels; a rule adds its own.</summary>
    internal virtual NampOptimizerGroup ToNative() =>
        new()
        {
            LearningRate = LearningRate,
            WeightDecay = WeightDecay,
            Maximize = Maximize ? 1 : 0,
        };

    /// <summary>Checks the values; a rule adds its own.</summary>
    /// <exception cref="ArgumentException">A value is not possible.</exception>
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
        Check(Enum.IsDefined(WeightRounding), nameof(WeightRounding), WeightRounding, "one of its names");
        Check(Enum.IsDefined(MasterFormat), nameof(MasterFormat), MasterFormat, "one of its names");
        Check(Enum.IsDefined(StateFormat), nameof(StateFormat), StateFormat, "one of its names");
        Check(MinimumCompactElements >= 0, nameof(MinimumCompactElements), MinimumCompactElements, "0 or more");
    }

    /// <summary>Whether an optimizer with these options can change to others.</summary>
    internal bool CanBecome(OptimizerOptions other) =>
        Rule == other.Rule
        && StateNames.SequenceEqual(other.StateNames)
        && StateNames
            .Select((_, state) => KindOf(state))
            .SequenceEqual(other.StateNames.Select((_, state) => other.KindOf(state)))
        && MinimumCompactElements == other.MinimumCompactElements
        && MasterFormat == other.MasterFormat
        && WeightRounding == other.WeightRounding
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
