using TorchSharp.Modules;

namespace NativeAmp.TorchSharp;

/// <summary>
/// Adam with decoupled weight decay, in place of <c>torch.optim.AdamW</c>: its arguments and their defaults, and
/// the bits of PyTorch's fused kernel.
/// </summary>
public sealed class FusedAdamW : FusedAdamBase
{
    /// <summary>An optimizer of one group.</summary>
    /// <param name="parameters">The parameters, such as <c>model.named_parameters()</c>: messages and the state use the
    /// names. Without names, as from <c>model.parameters()</c>, they are numbered.</param>
    /// <param name="lr">Learning rate.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Added to the denominator.</param>
    /// <param name="weight_decay">Weight decay, subtracted from the parameters; PyTorch has 0.01.</param>
    /// <param name="amsgrad">Whether to divide by the largest second moment so far.</param>
    /// <param name="maximize">Whether to maximize the loss.</param>
    /// <exception cref="ArgumentException">There is no parameter, one cannot be trained, they share memory or are on
    /// several devices, or a hyperparameter is not possible.</exception>
    public FusedAdamW(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3,
        double beta1 = 0.9,
        double beta2 = 0.999,
        double eps = 1e-8,
        double weight_decay = 0,
        bool amsgrad = false,
        bool maximize = false
    )
        : this([new ParamGroup(parameters, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize)]) { }

    /// <inheritdoc cref="FusedAdamW(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
    public FusedAdamW(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-3,
        double beta1 = 0.9,
        double beta2 = 0.999,
        double eps = 1e-8,
        double weight_decay = 0,
        bool amsgrad = false,
        bool maximize = false
    )
        : this([new ParamGroup(parameters, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize)]) { }

    /// <summary>An optimizer of several groups.</summary>
    /// <exception cref="ArgumentException">As for one group.</exception>
    public FusedAdamW(IEnumerable<ParamGroup> groups)
        : base(groups) { }

    /// <summary>Parameters that share hyperparameters of <see cref="FusedAdamW"/>.</summary>
    public sealed class ParamGroup : AdamParamGroup
    {
        /// <summary>A group.</summary>
        /// <inheritdoc cref="FusedAdamW(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
        public ParamGroup(
            IEnumerable<Parameter> parameters,
            double lr = 1e-3,
            double beta1 = 0.9,
            double beta2 = 0.999,
            double eps = 1e-8,
            double weight_decay = 0,
            bool amsgrad = false,
            bool maximize = false
        )
            : this(Unnamed(parameters), lr, beta1, beta2, eps, weight_decay, amsgrad, maximize) { }

        /// <summary>A group of named parameters.</summary>
        /// <inheritdoc cref="FusedAdamW(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
        public ParamGroup(
            IEnumerable<(string name, Parameter parameter)> parameters,
            double lr = 1e-3,
            double beta1 = 0.9,
            double beta2 = 0.999,
            double eps = 1e-8,
            double weight_decay = 0,
            bool amsgrad = false,
            bool maximize = false
        )
            : base(parameters, AdamOptionsOf(lr, beta1, beta2, eps, weight_decay, amsgrad, maximize, decoupled: true))
        { }
    }
}

/// <summary>
/// Adam with L2 regularization, in place of <c>torch.optim.Adam</c>: its arguments and their defaults, and
/// the bits of PyTorch's fused kernel.
/// </summary>
public sealed class FusedAdam : FusedAdamBase
{
    /// <summary>An optimizer of one group.</summary>
    /// <param name="parameters">The parameters, such as <c>model.named_parameters()</c>: messages and the state use the
    /// names. Without names, as from <c>model.parameters()</c>, they are numbered.</param>
    /// <param name="lr">Learning rate.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Added to the denominator.</param>
    /// <param name="weight_decay">Weight decay, added to the gradients.</param>
    /// <param name="amsgrad">Whether to divide by the largest second moment so far.</param>
    /// <param name="maximize">Whether to maximize the loss.</param>
    /// <exception cref="ArgumentException">There is no parameter, one cannot be trained, they share memory or are on
    /// several devices, or a hyperparameter is not possible.</exception>
    public FusedAdam(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3,
        double beta1 = 0.9,
        double beta2 = 0.999,
        double eps = 1e-8,
        double weight_decay = 0,
        bool amsgrad = false,
        bool maximize = false
    )
        : this([new ParamGroup(parameters, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize)]) { }

    /// <inheritdoc cref="FusedAdam(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
    public FusedAdam(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-3,
        double beta1 = 0.9,
        double beta2 = 0.999,
        double eps = 1e-8,
        double weight_decay = 0,
        bool amsgrad = false,
        bool maximize = false
    )
        : this([new ParamGroup(parameters, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize)]) { }

    /// <summary>An optimizer of several groups.</summary>
    /// <exception cref="ArgumentException">As for one group.</exception>
    public FusedAdam(IEnumerable<ParamGroup> groups)
        : base(groups) { }

    /// <summary>Parameters that share hyperparameters of <see cref="FusedAdam"/>.</summary>
    public sealed class ParamGroup : AdamParamGroup
    {
        /// <summary>A group.</summary>
        /// <inheritdoc cref="FusedAdam(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
        public ParamGroup(
            IEnumerable<Parameter> parameters,
            double lr = 1e-3,
            double beta1 = 0.9,
            double beta2 = 0.999,
            double eps = 1e-8,
            double weight_decay = 0,
            bool amsgrad = false,
            bool maximize = false
        )
            : this(Unnamed(parameters), lr, beta1, beta2, eps, weight_decay, amsgrad, maximize) { }

        /// <summary>A group of named parameters.</summary>
        /// <inheritdoc cref="FusedAdam(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
        public ParamGroup(
            IEnumerable<(string name, Parameter parameter)> parameters,
            double lr = 1e-3,
            double beta1 = 0.9,
            double beta2 = 0.999,
            double eps = 1e-8,
            double weight_decay = 0,
            bool amsgrad = false,
            bool maximize = false
        )
            : base(parameters, AdamOptionsOf(lr, beta1, beta2, eps, weight_decay, amsgrad, maximize, decoupled: false))
        { }
    }
}
