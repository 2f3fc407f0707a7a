namespace NativeAmp;

/// <summary>The state of a <see cref="FusedOptimizer"/>, copied to the host for checkpoints.</summary>
public sealed record OptimizerSnapshot
{
    /// <summary>Steps applied by the optimizer, whichever parameters had a gradient.</summary>
    public required long Step { get; init; }

    /// <summary>The state of every parameter.</summary>
    public required IReadOnlyList<ParameterSnapshot> Parameters { get; init; }
}

/// <summary>An optimizer's state of one parameter.</summary>
public sealed record ParameterSnapshot
{
    /// <summary>The parameter's name.</summary>
    public required string Name { get; init; }

    /// <summary>Number of updates of the parameter. Steps without a gradient of it do not count.</summary>
    public required long Step { get; init; }

    /// <summary>
    /// The columns of the rule's state by their names in <c>torch.optim</c>, such as "exp_avg". Each has one float32
    /// for each element, decoded if the optimizer keeps it in another format: encoding it again gives the same codes.
    /// "master" is the float32 master of a parameter with a <see cref="MasterFormat.Remainder"/>.
    /// </summary>
    public required IReadOnlyDictionary<string, float[]> State { get; init; }
}
