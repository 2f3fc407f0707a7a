using TorchSharp;
using TorchSharp.Modules;

namespace NativeAmp.TorchSharp;

/// <summary>The part that <see cref="FusedAdam"/> and <see cref="FusedAdamW"/> share.</summary>
public abstract class FusedAdamBase : FusedOptimizer, torch.optim.IBetas
{
    private protected FusedAdamBase(IEnumerable<AdamParamGroup> groups)
        : base(groups, core => new NativeAmp.FusedAdam(core)) { }

    /// <summary>The first group's betas; setting them sets those of all groups.</summary>
    public (double, double) Betas
    {
        get => ParamGroups.Cast<AdamParamGroup>().First().Betas;
        set
        {
            foreach (var group in ParamGroups.Cast<AdamParamGroup>())
                group.Betas = value;
        }
    }
}

/// <summary>Parameters that share hyperparameters of Adam.</summary>
public abstract class AdamParamGroup : FusedParamGroup, torch.optim.IBetas
{
    private protected AdamParamGroup(IEnumerable<(string name, Parameter parameter)> parameters, AdamOptions options)
        : base(parameters, options) { }

    /// <summary>The decays of the two moments from the next step on.</summary>
    public (double, double) Betas
    {
        get => Options is AdamOptions options ? (options.Beta1, options.Beta2) : default;
        set => Options = (AdamOptions)Options with { Beta1 = value.Item1, Beta2 = value.Item2 };
    }

    private protected static AdamOptions AdamOptionsOf(
        double lr,
        double beta1,
        double beta2,
        double eps,
        double weight_decay,
        bool amsgrad,
        bool maximize,
        bool decoupled
    ) =>
        new()
        {
            LearningRate = lr,
            Beta1 = beta1,
            Beta2 = beta2,
            Epsilon = eps,
            WeightDecay = weight_decay,
            AmsGrad = amsgrad,
            Maximize = maximize,
            Decoupled = decoupled,
        };
}
