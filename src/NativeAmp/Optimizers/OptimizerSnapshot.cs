namespace NativeAmp;

/// <summary>
/// Everything that a <see cref="FusedOptimizer"/> remembers from step to step, copied to the host for checkpoints.
/// </summary>
public sealed record OptimizerSnapshot
{
    /// <summary>Steps applied by the optimizer, whichever parameters had a gradient.</summary>
    public required long Step { get; init; }

    /// <summary>The state of every parameter.</summary>
    public required IReadOnlyList<ParameterSnapshot> Parameters { get; init; }
}

/// <summary>What an optimizer remembers of one parameter.</summary>
public sealed record ParameterSnapshot
{
    /// <summary>The parameter's name.</summary>
    public required string Name { get; init; }

    /// <summary>How often the parameter was updated: steps without its gradient do not count.</summary>
    public required long Step { get; init; }

    /// <summary>
    /// A float32 an element for each column of the rule's state, by its name in <c>torch.optim</c>, such as "exp_avg".
    /// </summary>
    public required IReadOnlyDictionary<string, float[]> State { get; init; }
}
