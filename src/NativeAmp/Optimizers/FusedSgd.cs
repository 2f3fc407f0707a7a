using System.Globalization;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>SGD with momentum (Sutskever et al. 2013), in the order of operations of <c>torch.optim.SGD</c>.</summary>
public sealed class FusedSgd : FusedOptimizer
{
    /// <summary>An optimizer of one group.</summary>
    /// <param name="parameters">The parameters; their device is the optimizer's.</param>
    /// <param name="options">The hyperparameters; null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no parameter, one is given twice, or they are on several
    /// devices.</exception>
    public FusedSgd(IEnumerable<IParameter> parameters, SgdOptions? options = null)
        : this([new ParameterGroup(parameters, options ?? new SgdOptions())]) { }

    /// <summary>An optimizer of several groups, whose options are <see cref="SgdOptions"/>.</summary>
    /// <exception cref="ArgumentException">There is no parameter, one is given twice, they are on several devices, or a
    /// group's options are another rule's.</exception>
    public FusedSgd(IEnumerable<ParameterGroup> groups)
        : base(groups, typeof(SgdOptions)) { }
}

/// <summary>
/// Hyperparameters of SGD. The defaults are those of <c>torch.optim.SGD</c>: no momentum, no weight decay. Weight decay
/// is added to the gradients.
/// </summary>
public sealed record SgdOptions : OptimizerOptions
{
    private static readonly string[] Buffer = ["momentum_buffer"];

    /// <summary>Factor of the momentum buffer in each step, 0 or more; 0 keeps no buffer.</summary>
    public double Momentum { get; init; }

    /// <summary>Part of each gradient, except the first, that does not go into the buffer. Finite.</summary>
    public double Dampening { get; init; }

    /// <summary>Whether to use Nesterov momentum. It needs a momentum above 0, and no dampening.</summary>
    public bool Nesterov { get; init; }

    /// <inheritdoc/>
    public override string RuleName => "sgd";

    internal override NampRule Rule => NampRule.Sgd;

    internal override IReadOnlyList<string> StateNames => Momentum != 0 ? Buffer : [];

    internal override FusedOptimizer CreateOptimizer(IEnumerable<ParameterGroup> groups) => new FusedSgd(groups);

    internal override string Describe() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"momentum {Momentum}, dampening "
                + $"{Dampening}{(Nesterov ? ", Nesterov" : "")}{(Maximize ? ", maximize" : "")}"
        );

    internal override NampOptimizerGroup ToNative() =>
        base.ToNative() with
        {
            Momentum = Momentum,
            Dampening = Dampening,
            Nesterov = Nesterov ? 1 : 0,
        };

    internal override void Validate()
    {
        base.Validate();
        Check(double.IsFinite(Momentum) && Momentum >= 0, nameof(Momentum), Momentum, "finite and 0 or more");
        Check(double.IsFinite(Dampening), nameof(Dampening), Dampening, "finite");
        Check(
            !Nesterov || (Momentum > 0 && Dampening == 0),
            nameof(Nesterov),
            Nesterov,
            "false without a momentum, or with dampening"
        );
    }
}
