using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// RMSprop (Hinton 2012): each gradient is divided by the root of a running average of its squares. In the order of
/// operations of <c>torch.optim.RMSprop</c>, whose centered variant it does not have.
/// </summary>
public sealed class FusedRmsProp : FusedOptimizer
{
    /// <summary>An optimizer of one group.</summary>
    /// <param name="parameters">The parameters; their device is the optimizer's.</param>
    /// <param name="options">The hyperparameters; null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no parameter, one is given twice, or they are on several
    /// devices.</exception>
    public FusedRmsProp(IEnumerable<IParameter> parameters, RmsPropOptions? options = null)
        : this([new ParameterGroup(parameters, options ?? new RmsPropOptions())]) { }

    /// <summary>An optimizer of several groups, whose options are <see cref="RmsPropOptions"/>.</summary>
    /// <exception cref="ArgumentException">There is no parameter, one is given twice, they are on several devices, or a
    /// group's options are another rule's.</exception>
    public FusedRmsProp(IEnumerable<ParameterGroup> groups)
        : base(groups, typeof(RmsPropOptions)) { }
}

/// <summary>
/// Hyperparameters of RMSprop. The defaults are those of <c>torch.optim.RMSprop</c>: a learning rate of 0.01, no
/// momentum, no weight decay. Weight decay is added to the gradients.
/// </summary>
public sealed record RmsPropOptions : OptimizerOptions
{
    private static readonly string[] Average = ["square_avg"];
    private static readonly string[] AverageAndBuffer = ["square_avg", "momentum_buffer"];

    /// <summary>The defaults.</summary>
    public RmsPropOptions()
    {
        LearningRate = 0.01;
    }

    /// <summary>Decay of the average of squares, in [0, 1).</summary>
    public double Alpha { get; init; } = 0.99;

    /// <summary>Added to the root of the average, finite and 0 or more.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Factor of the momentum buffer in each step, 0 or more; 0 keeps no buffer.</summary>
    public double Momentum { get; init; }

    /// <inheritdoc/>
    public override string RuleName => "rmsprop";

    internal override NampRule Rule => NampRule.Rmsprop;

    internal override IReadOnlyList<string> StateNames => Momentum != 0 ? AverageAndBuffer : Average;

    internal override (StateFormat Format, bool Signed) KindOf(int state) => (StateFormat, Signed: state != 0);

    internal override FusedOptimizer CreateOptimizer(IEnumerable<ParameterGroup> groups) => new FusedRmsProp(groups);

    internal override string Describe() =>
        FormattableString.Invariant(
            $"alpha {Alpha}, epsilon {Epsilon}, momentum {Momentum}{(Maximize ? ", maximize" : "")}"
        );

    internal override NampOptimizerGroup ToNative() =>
        base.ToNative() with
        {
            Beta2 = Alpha,
            Epsilon = Epsilon,
            Momentum = Momentum,
        };

    internal override void Validate()
    {
        base.Validate();
        Check(Alpha is >= 0 and < 1, nameof(Alpha), Alpha, "in [0, 1)");
        Check(double.IsFinite(Epsilon) && Epsilon >= 0, nameof(Epsilon), Epsilon, "finite and 0 or more");
        Check(double.IsFinite(Momentum) && Momentum >= 0, nameof(Momentum), Momentum, "finite and 0 or more");
    }
}
