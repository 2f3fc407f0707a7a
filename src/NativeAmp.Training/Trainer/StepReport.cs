namespace NativeAmp.Training;

/// <summary>The outcome of one training step.</summary>
public readonly record struct StepReport
{
    /// <summary>Number of the step, from 1.</summary>
    public required long Step { get; init; }

    /// <summary>Passes over the data so far, as a fraction.</summary>
    public required double Epoch { get; init; }

    /// <summary>Mean loss of the batch, unscaled.</summary>
    public required float Loss { get; init; }

    /// <summary>Loss scale of the step.</summary>
    public required float Scale { get; init; }

    /// <summary>Whether a gradient was not finite.</summary>
    public required bool FoundInf { get; init; }

    /// <summary>Whether the step was skipped, so that the parameters did not change.</summary>
    public required bool Skipped { get; init; }

    /// <summary>Why the step was skipped, in a sentence; null if it was not.</summary>
    public string? Reason { get; init; }

    /// <summary>Skipped steps so far, this one included.</summary>
    public required long SkippedSoFar { get; init; }

    /// <summary>Learning rate of the step.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Global L2 norm of the unscaled gradients before clipping; not finite on overflow.</summary>
    public required float GradientNorm { get; init; }

    /// <summary>Time of the step, without checkpoint and events.</summary>
    public required double Milliseconds { get; init; }

    /// <summary>Samples of the step.</summary>
    public required int Samples { get; init; }

    /// <summary>Total number of steps of the run.</summary>
    public required long TotalSteps { get; init; }
}
