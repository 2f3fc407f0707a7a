namespace NativeAmp.Training;

/// <summary>What one training step came to.</summary>
public readonly record struct StepReport
{
    /// <summary>Steps so far, this one included: the first is 1.</summary>
    public required long Step { get; init; }

    /// <summary>Passes over the data that are complete, as a fraction.</summary>
    public required double Epoch { get; init; }

    /// <summary>Mean loss of the batch, not scaled.</summary>
    public required float Loss { get; init; }

    /// <summary>Loss scale that the step was done with.</summary>
    public required float Scale { get; init; }

    /// <summary>Whether a gradient was not finite.</summary>
    public required bool FoundInf { get; init; }

    /// <summary>Whether the parameters were left as they were.</summary>
    public required bool Skipped { get; init; }

    /// <summary>Skipped steps so far, this one included.</summary>
    public required long SkippedSoFar { get; init; }

    /// <summary>Learning rate of the step.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Global L2 norm of the unscaled gradients before clipping; not finite on overflow.</summary>
    public required float GradientNorm { get; init; }

    /// <summary>Time that the step took, without checkpoint and events.</summary>
    public required double Milliseconds { get; init; }

    /// <summary>Samples of the batch.</summary>
    public required int Samples { get; init; }

    /// <summary>Steps that the run will have in all.</summary>
    public required long TotalSteps { get; init; }
}
