using System.Globalization;

namespace NativeAmp;

/// <summary>
/// So many steps in a row overflowed, or one at the least scale there may be, that training makes no progress: see
/// <see cref="GradScalerOptions.MaximumConsecutiveSkips"/> and <see cref="GradScalerOptions.StopAtMinimumScale"/>.
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
    /// Name of the first parameter whose gradient was not finite in the last step; null if none of an optimizer's still
    /// is.
    /// </summary>
    public string? FirstBadParameter { get; }
}
