namespace NativeAmp.Training;

/// <summary>How <see cref="Gpt.Generate"/> chooses tokens.</summary>
public sealed record GenerationOptions
{
    /// <summary>Tokens to generate; null for as many as the context has room for.</summary>
    public int? Tokens { get; init; }

    /// <summary>
    /// 1 draws from the model's probabilities; a lower value prefers likely tokens, a higher one the others; 0 takes
    /// the likeliest token (the first of several).
    /// </summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Draws only from this many likeliest tokens; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>
    /// Draws only from the fewest likeliest tokens that together have this probability, after the temperature and
    /// <see cref="TopK"/> ("nucleus sampling", Holtzman et al. 2020). In (0, 1]; 1 for all.
    /// </summary>
    public double TopP { get; init; } = 1;

    /// <summary>Draws the tokens; null for <see cref="RandomGenerator.Default"/>.</summary>
    public RandomGenerator? Random { get; init; }

    /// <summary>The precision to compute in; null for the policy in force at each token.</summary>
    public PrecisionPolicy? Precision { get; init; }

    internal void Check()
    {
        if (Tokens is { } tokens)
            ArgumentOutOfRangeException.ThrowIfNegative(tokens, nameof(Tokens));
        if (!(Temperature >= 0 && double.IsFinite(Temperature)))
            throw new ArgumentOutOfRangeException(
                nameof(Temperature),
                Temperature,
                "A temperature is a finite number, 0 or more."
            );
        ArgumentOutOfRangeException.ThrowIfNegative(TopK, nameof(TopK));
        if (!(TopP > 0 && TopP <= 1))
            throw new ArgumentOutOfRangeException(
                nameof(TopP),
                TopP,
                "A share of probability is more than 0, and at most 1."
            );
    }
}
