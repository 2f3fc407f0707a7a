namespace NativeAmp;

/// <summary>Parameters that share hyperparameters.</summary>
public sealed class AdamGroup
{
    private readonly string? _name;
    private AdamOptions _options;

    /// <summary>A group.</summary>
    /// <exception cref="ArgumentException">A hyperparameter is not possible.</exception>
    public AdamGroup(IEnumerable<IParameter> parameters, AdamOptions options)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        options.Validate();
        Parameters = [.. parameters];
        _options = options;
    }

    /// <summary>
    /// What the names of the group's parameters begin with, in messages and in the optimizer's state: "encoder" makes "encoder.0.weight" of "0.weight".
    /// Null for nothing. Groups may share one.
    /// </summary>
    /// <exception cref="ArgumentException">It is empty.</exception>
    public string? Name
    {
        get => _name;
        init
        {
            if (value is not null) ArgumentException.ThrowIfNullOrEmpty(value);
            _name = value;
        }
    }

    /// <summary>The parameters.</summary>
    public IReadOnlyList<IParameter> Parameters { get; }

    /// <summary>The hyperparameters, from the next step on. AMSGrad and the rounding of half copies stay what they were at first.</summary>
    /// <exception cref="ArgumentException">A hyperparameter is not possible, or cannot be changed.</exception>
    public AdamOptions Options
    {
        get => _options;
        set
        {
            value.Validate();
            if (value.AmsGrad != _options.AmsGrad || value.HalfCopyRounding != _options.HalfCopyRounding || value.RoundingSeed != _options.RoundingSeed)
                throw new ArgumentException($"{nameof(AdamOptions.AmsGrad)}, {nameof(AdamOptions.HalfCopyRounding)} and {nameof(AdamOptions.RoundingSeed)} of a group cannot be changed: make a new optimizer.");
            _options = value;
        }
    }
}
