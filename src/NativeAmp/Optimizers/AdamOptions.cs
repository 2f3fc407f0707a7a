using System.Globalization;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>Hyperparameters of Adam. The defaults are those of <c>torch.optim.AdamW</c>.</summary>
public sealed record AdamOptions : OptimizerOptions
{
    private static readonly string[] Moments = ["exp_avg", "exp_avg_sq"];
    private static readonly string[] MomentsAndLargest = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"];

    /// <summary>The defaults.</summary>
    public AdamOptions()
    {
        WeightDecay = 1e-2;
    }

    /// <summary>Decay of the first moment, in [0, 1).</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment, in [0, 1).</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the denominator, 0 or more.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>
    /// Whether weight decay is subtracted from the parameters (AdamW); otherwise it is added to the gradients (Adam
    /// with L2).
    /// </summary>
    public bool Decoupled { get; init; } = true;

    /// <summary>Whether to divide by the largest second moment so far (AMSGrad, Reddi et al. 2018).</summary>
    public bool AmsGrad { get; init; }

    /// <summary>
    /// How second moments are kept (also the largest of AMSGrad); null as <see cref="OptimizerOptions.StateFormat"/>
    /// says.
    /// </summary>
    public StateFormat? SecondMomentFormat { get; init; }

    /// <inheritdoc/>
    public override string RuleName => "adam";

    internal override NampRule Rule => NampRule.Adam;

    internal override IReadOnlyList<string> StateNames => AmsGrad ? MomentsAndLargest : Moments;

    internal override (StateFormat Format, bool Signed) KindOf(int state) =>
        state == 0 ? base.KindOf(state) : (SecondMomentFormat ?? StateFormat, Signed: false);

    internal override FusedOptimizer CreateOptimizer(IEnumerable<ParameterGroup> groups) => new FusedAdam(groups);

    internal override string Describe() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"beta1 {Beta1}, beta2 {Beta2}, epsilon "
                + $"{Epsilon}{(Decoupled ? "" : ", L2")}{(AmsGrad ? ", AMSGrad" : "")}{(Maximize ? ", maximize" : "")}"
        );

    internal override NampOptimizerGroup ToNative() =>
        base.ToNative() with
        {
            Beta1 = Beta1,
            Beta2 = Beta2,
            Epsilon = Epsilon,
            Decoupled = Decoupled ? 1 : 0,
            Amsgrad = AmsGrad ? 1 : 0,
        };

    internal override void Validate()
    {
        base.Validate();
        Check(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "in [0, 1)");
        Check(Beta2 is >= 0 and < 1, nameof(Beta2), Beta2, "in [0, 1)");
        Check(double.IsFinite(Epsilon) && Epsilon >= 0, nameof(Epsilon), Epsilon, "finite and 0 or more");
        if (SecondMomentFormat is { } format)
            Check(Enum.IsDefined(format), nameof(SecondMomentFormat), format, "one of its names");
    }
}
