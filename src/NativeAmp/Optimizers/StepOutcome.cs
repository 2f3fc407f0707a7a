using System.Globalization;

namespace NativeAmp;

/// <summary>The outcome of an optimizer's step.</summary>
/// <remarks>
/// A skipped step changes no parameters, moments, compute copies and step counts. Its gradients stay in memory
/// unchanged: still scaled, unless <see cref="GradScaler.Unscale"/> had unscaled them in place.
/// </remarks>
public readonly record struct StepOutcome
{
    /// <summary>Whether the step was skipped because a gradient was not finite.</summary>
    public required bool Skipped { get; init; }

    /// <summary>Whether the step was applied.</summary>
    public bool Stepped => !Skipped;

    /// <summary>Why the step was skipped, in a sentence; null if it was applied.</summary>
    public string? Reason =>
        !Skipped ? null
        : FirstBadParameter is { } name
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"{NonFiniteCount} gradient elements are infinite or not a number at a loss scale of {Scale}, the "
                    + $"first of them in '{name}'."
            )
        : FormattableString.Invariant($"The loss scale of {Scale} has no finite inverse.");

    /// <summary>Steps applied by the optimizer, this one included.</summary>
    public required long AppliedSteps { get; init; }

    /// <summary>
    /// Global L2 norm of the unscaled gradients, before clipping; not finite on overflow. NaN if the step was taken
    /// without a check.
    /// </summary>
    public required float GradientNorm { get; init; }

    /// <summary>The factor by which clipping multiplied the gradients; 1 without clipping.</summary>
    public required float ClipCoefficient { get; init; }

    /// <summary>The loss scale of the gradients; 1 without a scaler.</summary>
    public required float Scale { get; init; }

    /// <summary>The learning rate of the first parameter group.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Number of gradient elements that were not finite, over all parameters.</summary>
    public required long NonFiniteCount { get; init; }

    /// <summary>Name of the first parameter whose gradient was not finite; null if there is none.</summary>
    public required string? FirstBadParameter { get; init; }
}
