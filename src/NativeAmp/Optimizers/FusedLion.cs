using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Lion (Chen et al. 2023): every element moves by the learning rate, in the direction of a blend of momentum and
/// gradient.
/// </summary>
/// <remarks>
/// Its state is half of Adam's. The paper uses a learning rate 3 to 10 times smaller than AdamW's, and a weight decay
/// larger by the same factor.
/// </remarks>
public sealed class FusedLion : FusedOptimizer
{
    /// <summary>An optimizer of one group.</summary>
    /// <param name="parameters">The parameters; their device is the optimizer's.</param>
    /// <param name="options">The hyperparameters; null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no parameter, one is given twice, or they are on several
    /// devices.</exception>
    public FusedLion(IEnumerable<IParameter> parameters, LionOptions? options = null)
        : this([new ParameterGroup(parameters, options ?? new LionOptions())]) { }

    /// <summary>An optimizer of several groups, whose options are <see cref="LionOptions"/>.</summary>
    /// <exception cref="ArgumentException">There is no parameter, one is given twice, they are on several devices, or a
    /// group's options are another rule's.</exception>
    public FusedLion(IEnumerable<ParameterGroup> groups)
        : base(groups, typeof(LionOptions)) { }
}

/// <summary>
/// Hyperparameters of Lion. The defaults are the paper's: a learning rate of 1e-4, betas of 0.9 and 0.99. Weight decay
/// is subtracted from the parameters.
/// </summary>
public sealed record LionOptions : OptimizerOptions
{
    private static readonly string[] Momentum = ["exp_avg"];

    /// <summary>The defaults.</summary>
    public LionOptions()
    {
        LearningRate = 1e-4;
    }

    /// <summary>Weight of the momentum in the blend that gives the sign, in [0, 1).</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the momentum, in [0, 1).</summary>
    public double Beta2 { get; init; } = 0.99;

    /// <inheritdoc/>
    public override string RuleName => "lion";

    internal override NampRule Rule => NampRule.Lion;

    internal override IReadOnlyList<string> StateNames => Momentum;

    internal override FusedOptimizer CreateOptimizer(IEnumerable<ParameterGroup> groups) => new FusedLion(groups);

    internal override string Describe() =>
        FormattableString.Invariant($"beta1 {Beta1}, beta2 {Beta2}{(Maximize ? ", maximize" : "")}");

    internal override NampOptimizerGroup ToNative() =>
        base.ToNative() with
        {
            Beta1 = Beta1,
            Beta2 = Beta2,
            Decoupled = 1,
        };

    internal override void Validate()
    {
        base.Validate();
        Check(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "in [0, 1)");
        Check(Beta2 is >= 0 and < 1, nameof(Beta2), Beta2, "in [0, 1)");
    }
}
