using TorchSharp;
using TorchSharp.Modules;

namespace NativeAmp.TorchSharp;

/// <summary>
/// RMSprop, in place of <c>torch.optim.RMSProp</c>: its arguments and their defaults but for <c>centered</c>, in its
/// order of operations.
/// </summary>
public sealed class FusedRmsProp : FusedOptimizer, torch.optim.IMomentum
{
    /// <summary>An optimizer of one group.</summary>
    /// <param name="parameters">The parameters, such as <c>model.named_parameters()</c>: messages and the state use the
    /// names. Without names, as from <c>model.parameters()</c>, they are numbered.</param>
    /// <param name="lr">Learning rate.</param>
    /// <param name="alpha">Decay of the average of squares.</param>
    /// <param name="eps">Added to the root of the average.</param>
    /// <param name="weight_decay">Weight decay, added to the gradients.</param>
    /// <param name="momentum">Factor of the momentum buffer in each step; 0 keeps none.</param>
    /// <param name="maximize">Whether to maximize the loss.</param>
    /// <exception cref="ArgumentException">There is no parameter, one cannot be trained, they share memory or are on
    /// several devices, or a hyperparameter is not possible.</exception>
    public FusedRmsProp(
        IEnumerable<Parameter> parameters,
        double lr = 0.01,
        double alpha = 0.99,
        double eps = 1e-8,
        double weight_decay = 0,
        double momentum = 0,
        bool maximize = false
    )
        : this([new ParamGroup(parameters, lr, alpha, eps, weight_decay, momentum, maximize)]) { }

    /// <inheritdoc cref="FusedRmsProp(IEnumerable{Parameter}, double, double, double, double, double, bool)"/>
    public FusedRmsProp(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 0.01,
        double alpha = 0.99,
        double eps = 1e-8,
        double weight_decay = 0,
        double momentum = 0,
        bool maximize = false
    )
        : this([new ParamGroup(parameters, lr, alpha, eps, weight_decay, momentum, maximize)]) { }

    /// <summary>An optimizer of several groups.</summary>
    /// <exception cref="ArgumentException">As for one group.</exception>
    public FusedRmsProp(IEnumerable<ParamGroup> groups)
        : base(groups, core => new NativeAmp.FusedRmsProp(core)) { }

    /// <summary>The first group's momentum; setting it sets those of all groups.</summary>
    public double Momentum
    {
        get => ParamGroups.Cast<ParamGroup>().First().Momentum;
        set
        {
            foreach (var group in ParamGroups.Cast<ParamGroup>())
                group.Momentum = value;
        }
    }

    /// <summary>Parameters that share hyperparameters of <see cref="FusedRmsProp"/>.</summary>
    public sealed class ParamGroup : FusedParamGroup, torch.optim.IMomentum
    {
        /// <summary>A group.</summary>
        /// <inheritdoc cref="FusedRmsProp(IEnumerable{Parameter}, double, double, double, double, double, bool)"/>
        public ParamGroup(
            IEnumerable<Parameter> parameters,
            double lr = 0.01,
            double alpha = 0.99,
            double eps = 1e-8,
            double weight_decay = 0,
            double momentum = 0,
            bool maximize = false
        )
            : this(Unnamed(parameters), lr, alpha, eps, weight_decay, momentum, maximize) { }

        /// <summary>A group of named parameters.</summary>
        /// <inheritdoc cref="FusedRmsProp(IEnumerable{Parameter}, double, double, double, double, double, bool)"/>
        public ParamGroup(
            IEnumerable<(string name, Parameter parameter)> parameters,
            double lr = 0.01,
            double alpha = 0.99,
            double eps = 1e-8,
            double weight_decay = 0,
            double momentum = 0,
            bool maximize = false
        )
            : base(
                parameters,
                new RmsPropOptions
                {
                    LearningRate = lr,
                    Alpha = alpha,
                    Epsilon = eps,
                    WeightDecay = weight_decay,
                    Momentum = momentum,
                    Maximize = maximize,
                }
            ) { }

        /// <summary>
        /// Factor of the momentum buffer from the next step on. A group that began without a buffer cannot get one, nor
        /// the reverse.
        /// </summary>
        /// <exception cref="ArgumentException">It is not possible, or needs a buffer that is missing.</exception>
        public double Momentum
        {
            get => ((RmsPropOptions)Options).Momentum;
            set => Options = (RmsPropOptions)Options with { Momentum = value };
        }
    }
}
