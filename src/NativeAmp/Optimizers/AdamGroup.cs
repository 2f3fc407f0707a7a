namespace NativeAmp;

/// <summary>Parameters that share hyperparameters.</summary>
public sealed class AdamGroup
{
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
