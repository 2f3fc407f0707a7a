using TorchSharp;
using TorchSharp.Modules;

namespace NativeAmp.TorchSharp;

/// <summary>Lion (Chen et al. 2023), which TorchSharp does not have. Its state is half of Adam's.</summary>
public sealed class FusedLion : FusedOptimizer, torch.optim.IBetas
{
    /// <summary>An optimizer of one group.</summary>
    /// <param name="parameters">The parameters, such as <c>model.named_parameters()</c>: messages and the state use the
    /// names. Without names, as from <c>model.parameters()</c>, they are numbered.</param>
    /// <param name="lr">Learning rate; 3 to 10 times smaller than AdamW's.</param>
    /// <param name="beta1">Weight of the momentum in the blend that gives the sign.</param>
    /// <param name="beta2">Decay of the momentum.</param>
    /// <param name="weight_decay">Weight decay, subtracted from the parameters.</param>
    /// <param name="maximize">Whether to maximize the loss.</param>
    /// <exception cref="ArgumentException">There is no parameter, one cannot be trained, they share memory or are on
    /// several devices, or a hyperparameter is not possible.</exception>
    public FusedLion(
        IEnumerable<Parameter> parameters,
        double lr = 1e-4,
        double beta1 = 0.9,
        double beta2 = 0.99,
        double weight_decay = 0,
        bool maximize = false
    )
        : this([new ParamGroup(parameters, lr, beta1, beta2, weight_decay, maximize)]) { }

    /// <inheritdoc cref="FusedLion(IEnumerable{Parameter}, double, double, double, double, bool)"/>
    public FusedLion(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-4,
        double beta1 = 0.9,
        double beta2 = 0.99,
        double weight_decay = 0,
        bool maximize = false
    )
        : this([new ParamGroup(parameters, lr, beta1, beta2, weight_decay, maximize)]) { }

    /// <summary>An optimizer of several groups.</summary>
    /// <exception cref="ArgumentException">As for one group.</exception>
    public FusedLion(IEnumerable<ParamGroup> groups)
        : base(groups, core => new NativeAmp.FusedLion(core)) { }

    /// <summary>The first group's betas; setting them sets those of all groups.</summary>
    public (double, double) Betas
    {
        get => ParamGroups.Cast<ParamGroup>().First().Betas;
        set
        {
            foreach (var group in ParamGroups.Cast<ParamGroup>())
                group.Betas = value;
        }
    }

    /// <summary>Parameters that share hyperparameters of <see cref="FusedLion"/>.</summary>
    public sealed class ParamGroup : FusedParamGroup, torch.optim.IBetas
    {
        /// <summary>A group.</summary>
        /// <inheritdoc cref="FusedLion(IEnumerable{Parameter}, double, double, double, double, bool)"/>
        public ParamGroup(
            IEnumerable<Parameter> parameters,
            double lr = 1e-4,
            double beta1 = 0.9,
            double beta2 = 0.99,
            double weight_decay = 0,
            bool maximize = false
        )
            : this(Unnamed(parameters), lr, beta1, beta2, weight_decay, maximize) { }

        /// <summary>A group of named parameters.</summary>
        /// <inheritdoc cref="FusedLion(IEnumerable{Parameter}, double, double, double, double, bool)"/>
        public ParamGroup(
            IEnumerable<(string name, Parameter parameter)> parameters,
            double lr = 1e-4,
            double beta1 = 0.9,
            double beta2 = 0.99,
            double weight_decay = 0,
            bool maximize = false
        )
            : base(
                parameters,
                new LionOptions
                {
                    LearningRate = lr,
                    Beta1 = beta1,
                    Beta2 = beta2,
                    WeightDecay = weight_decay,
                    Maximize = maximize,
                }
            ) { }

        /// <summary>The weight of the momentum, and its decay, from the next step on.</summary>
        public (double, double) Betas
        {
            get => Options is LionOptions options ? (options.Beta1, options.Beta2) : default;
            set => Options = (LionOptions)Options with { Beta1 = value.Item1, Beta2 = value.Item2 };
        }
    }
}
