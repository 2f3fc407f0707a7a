using System.Globalization;

namespace NativeAmp;

/// <summary>
/// Training makes no progress: too many steps in a row overflowed
/// (<see cref="GradScalerOptions.MaximumConsecutiveSkips"/>), or one overflowed at the minimum scale
/// (<see cref="GradScalerOptions.StopAtMinimumScale"/>).
/// </summary>
public sealed class TooManySkipsException : NativeAmpException
{
    internal TooManySkipsException(GradScalerState state, string? parameter, bool atMinimum)
        : base(
            (
                atMinimum
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"A step was skipped because gradients overflowed at a loss scale of {state.Scale}, which is "
                            + $"the least that it may be"
                    )
                    : string.Create(
                        CultureInfo.InvariantCulture,
                        $"{state.ConsecutiveSkips} steps in a row were skipped because gradients overflowed, at a "
                            + $"loss scale of {state.Scale} now"
                    )
            )
                + (parameter is null ? ". " : $"; the first in {parameter}. ")
                + "Look for a loss that is not finite, a learning rate that is too high, or an operator that "
                + "overflows whatever the scale."
        )
    {
        State = state;
        FirstBadParameter = parameter;
    }

    /// <summary>The scaler's state.</summary>
    public GradScalerState State { get; }

    /// <summary>
    /// Name of the first parameter whose gradient was not finite in the last step; null if all gradients are finite
    /// now.
    /// </summary>
    public string? FirstBadParameter { get; }
}
