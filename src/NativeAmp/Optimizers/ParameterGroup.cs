namespace NativeAmp;

/// <summary>Parameters that share hyperparameters.</summary>
public sealed class ParameterGroup
{
    private readonly string? _name;
    private OptimizerOptions _options;

    /// <summary>A group.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="options">Their hyperparameters, such as <see cref="AdamOptions"/>. They must belong to the
    /// optimizer's rule.</param>
    /// <exception cref="ArgumentException">A hyperparameter is not possible.</exception>
    public ParameterGroup(IEnumerable<IParameter> parameters, OptimizerOptions options)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        Parameters = [.. parameters];
        _options = options;
    }

    /// <summary>
    /// Prefix of the parameters' names in messages and in the optimizer's state: "encoder" makes "encoder.0.weight" of
    /// "0.weight". Null for none. Groups may share a prefix.
    /// </summary>
    /// <exception cref="ArgumentException">It is empty.</exception>
    public string? Name
    {
        get => _name;
        init
        {
            if (value is not null)
                ArgumentException.ThrowIfNullOrEmpty(value);
            _name = value;
        }
    }

    /// <summary>The parameters.</summary>
    public IReadOnlyList<IParameter> Parameters { get; }

    /// <summary>
    /// The hyperparameters from the next step on. The rule, its columns of state, their format, that of masters and the
    /// rounding of weights cannot be changed.
    /// </summary>
    /// <exception cref="ArgumentException">A hyperparameter is not possible, or cannot be changed.</exception>
    public OptimizerOptions Options
    {
        get => _options;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            value.Validate();
            if (!_options.CanBecome(value))
            {
                throw new ArgumentException(
                    $"The rule of a group, the state that it needs ({string.Join(", ", _options.StateNames)}), its format, "
                        + $"{nameof(OptimizerOptions.MasterFormat)}, {nameof(OptimizerOptions.WeightRounding)} and "
                        + $"{nameof(OptimizerOptions.RoundingSeed)} cannot be changed: make a new optimizer."
                );
            }

            _options = value;
        }
    }
}
