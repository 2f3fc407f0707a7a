using TorchSharp;
using TorchSharp.Modules;

namespace NativeAmp.TorchSharp;

/// <summary>
/// SGD with momentum, in place of <c>torch.optim.SGD</c>: its arguments and their defaults, in its order of operations.
/// </summary>
public sealed class FusedSgd : FusedOptimizer, torch.optim.IMomentum
{
    /// <summary>An optimizer of one group.</summary>
    /// <param name="parameters">The parameters, such as <c>model.named_parameters()</c>: messages and the state use the
    /// names. Without names, as from <c>model.parameters()</c>, they are numbered.</param>
    /// <param name="learningRate">Learning rate.</param>
    /// <param name="momentum">Factor of the momentum buffer in each step; 0 keeps none.</param>
    /// <param name="dampening">Part of each gradient, except the first, that does not go into the buffer.</param>
    /// <param name="weight_decay">Weight decay, added to the gradients.</param>
    /// <param name="nesterov">Whether to use Nesterov momentum.</param>
    /// <param name="maximize">Whether to maximize the loss.</param>
    /// <exception cref="ArgumentException">There is no parameter, one cannot be trained, they share memory or are on
    /// several devices, or a hyperparameter is not possible.</exception>
    public FusedSgd(
        IEnumerable<Parameter> parameters,
        double learningRate,
        double momentum = 0,
        double dampening = 0,
        double weight_decay = 0,
        bool nesterov = false,
        bool maximize = false
    )
        : this([new ParamGroup(parameters, learningRate, momentum, dampening, weight_decay, nesterov, maximize)]) { }

    /// <inheritdoc cref="FusedSgd(IEnumerable{Parameter}, double, double, double, double, bool, bool)"/>
    public FusedSgd(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double learningRate,
        double momentum = 0,
        double dampening = 0,
        double weight_decay = 0,
        bool nesterov = false,
        bool maximize = false
    )
        : this([new ParamGroup(parameters, learningRate, momentum, dampening, weight_decay, nesterov, maximize)]) { }

    /// <summary>An optimizer of several groups.</summary>
    /// <exception cref="ArgumentException">As for one group.</exception>
    public FusedSgd(IEnumerable<ParamGroup> groups)
        : base(groups, core => new NativeAmp.FusedSgd(core)) { }

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

    /// <summary>Parameters that share hyperparameters of <see cref="FusedSgd"/>.</summary>
    public sealed class ParamGroup : FusedParamGroup, torch.optim.IMomentum
    {
        /// <summary>A group.</summary>
        /// <inheritdoc cref="FusedSgd(IEnumerable{Parameter}, double, double, double, double, bool, bool)"/>
        public ParamGroup(
            IEnumerable<Parameter> parameters,
            double learningRate,
            double momentum = 0,
            double dampening = 0,
            double weight_decay = 0,
            bool nesterov = false,
            bool maximize = false
        )
            : this(Unnamed(parameters), learningRate, momentum, dampening, weight_decay, nesterov, maximize) { }

        /// <summary>A group of named parameters.</summary>
        /// <inheritdoc cref="FusedSgd(IEnumerable{Parameter}, double, double, double, double, bool, bool)"/>
        public ParamGroup(
            IEnumerable<(string name, Parameter parameter)> parameters,
            double learningRate,
            double momentum = 0,
            double dampening = 0,
            double weight_decay = 0,
            bool nesterov = false,
            bool maximize = false
        )
            : base(
                parameters,
                new SgdOptions
                {
                    LearningRate = learningRate,
                    Momentum = momentum,
                    Dampening = dampening,
                    WeightDecay = weight_decay,
                    Nesterov = nesterov,
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
            get => ((SgdOptions)Options).Momentum;
            set => Options = (SgdOptions)Options with { Momentum = value };
        }
    }
}
