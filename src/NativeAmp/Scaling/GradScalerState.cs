namespace NativeAmp;

/// <summary>Everything that a <see cref="GradScaler"/> remembers from step to step, for checkpoints.</summary>
public sealed record GradScalerState
{
    /// <summary>What the loss is multiplied by.</summary>
    public required float Scale { get; init; }

    /// <summary>
    /// Good steps since the scale last changed or a step overflowed; after the start and an overflow it counts from
    /// minus <see cref="GradScalerOptions.FirstGrowthDelay"/> on.
    /// </summary>
    public int GrowthTracker { get; init; }

    /// <summary>Overflows still tolerated before the scale backs off; 1 backs off at the next.</summary>
    public int HysteresisLeft { get; init; } = 1;

    /// <summary>Updates so far.</summary>
    public long Updates { get; init; }

    /// <summary>Updates that saw an overflow.</summary>
    public long SkippedUpdates { get; init; }

    /// <summary>Overflows since the last good update.</summary>
    public int ConsecutiveSkips { get; init; }

    /// <summary>Checks the values.</summary>
    /// <param name="firstGrowthDelay">What the tracker may be below 0.</param>
    /// <exception cref="ArgumentException">One is not possible.</exception>
    internal void Validate(int firstGrowthDelay)
    {
        // Zero is where PyTorch's rule, which has no floor, ends up; every step is skipped there, and nothing is
        // ruined.
        if (!float.IsFinite(Scale) || Scale < 0)
            throw Impossible(nameof(Scale), Scale, "finite and not negative");
        // At their ends they count no further, and no run gets there.
        if (GrowthTracker < -firstGrowthDelay || GrowthTracker == int.MaxValue)
            throw Impossible(
                nameof(GrowthTracker),
                GrowthTracker,
                $"{-firstGrowthDelay} or more, and less than 2^31 - 1"
            );
        if (Updates is < 0 or long.MaxValue)
            throw Impossible(nameof(Updates), Updates, "0 or more, and less than 2^63 - 1");
        if (SkippedUpdates < 0 || SkippedUpdates > Updates)
            throw Impossible(nameof(SkippedUpdates), SkippedUpdates, $"0 to {nameof(Updates)}, {Updates}");
        if (ConsecutiveSkips < 0 || ConsecutiveSkips > SkippedUpdates)
            throw Impossible(
                nameof(ConsecutiveSkips),
                ConsecutiveSkips,
                $"0 to {nameof(SkippedUpdates)}, {SkippedUpdates}"
            );
    }

    private static ArgumentException Impossible(string name, object value, string expected) =>
        new(FormattableString.Invariant($"The {name} of a gradient scaler is {value}; it must be {expected}."));
}
