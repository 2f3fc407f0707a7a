using TorchSharp;
using TorchSharp.Modules;

namespace NativeAmp.TorchSharp;

/// <summary>Parameters that share hyperparameters, as TorchSharp's schedulers of learning rates see them.</summary>
public abstract class FusedParamGroup : torch.optim.ILearningRateController
{
    private OptimizerOptions _options;
    private ParameterGroup? _core;

    private protected FusedParamGroup(
        IEnumerable<(string name, Parameter parameter)> parameters,
        OptimizerOptions options
    )
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Parameters = [.. parameters];
        _options = options;
        InitialLearningRate = options.LearningRate;
    }

    /// <summary>The parameters with their names, which are empty if none were given.</summary>
    public IReadOnlyList<(string name, Parameter parameter)> Parameters { get; }

    /// <summary>The learning rate from the next step on.</summary>
    /// <exception cref="ArgumentException">It is negative or not finite.</exception>
    public double LearningRate
    {
        get => Options.LearningRate;
        set => Options = Options with { LearningRate = value };
    }

    /// <summary>The learning rate that schedulers start from.</summary>
    public double InitialLearningRate { get; set; }

    /// <summary>The hyperparameters from the next step on.</summary>
    internal OptimizerOptions Options
    {
        get => _core?.Options ?? _options;
        set
        {
            if (_core is null)
                _options = value;
            else
                _core.Options = value;
        }
    }

    /// <summary>Whether an optimizer has the group.</summary>
    internal bool IsTaken => _core is not null;

    /// <summary>The same group for NativeAmp's optimizer, whose options are this one's from now on.</summary>
    internal ParameterGroup Bind(IEnumerable<TorchParameter> parameters) =>
        _core = new ParameterGroup(parameters, _options);

    /// <summary>Forgets an optimizer that could not be made.</summary>
    internal void Release() => _core = null;

    /// <summary>Parameters without names.</summary>
    private protected static IEnumerable<(string name, Parameter parameter)> Unnamed(IEnumerable<Parameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return parameters.Select(parameter => ("", parameter));
    }
}
