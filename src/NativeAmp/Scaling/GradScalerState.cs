namespace NativeAmp;

/// <summary>The state of a <see cref="GradScaler"/>, for checkpoints.</summary>
public sealed record GradScalerState
{
    /// <summary>The loss scale: the factor of the loss.</summary>
    public required float Scale { get; init; }

    /// <summary>
    /// Good steps since the scale last changed or a step overflowed. After the start and after an overflow the count
    /// begins at minus <see cref="GradScalerOptions.FirstGrowthDelay"/>.
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
    /// <param name="firstGrowthDelay">The largest amount by which the tracker may be below 0.</param>
    /// <exception cref="ArgumentException">A value is not possible.</exception>
    internal void Validate(int firstGrowthDelay)
    {
        // PyTorch's rule, which has no floor, can end at zero. Every step is then skipped, and nothing is ruined.
        if (!float.IsFinite(Scale) || Scale < 0)
            throw Impossible(nameof(Scale), Scale, "finite and not negative");
        // The counters cannot count beyond their ends; no run gets there.
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
