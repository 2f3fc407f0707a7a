namespace NativeAmp.Training;

/// <summary>What a run came to.</summary>
public sealed record TrainingResult
{
    /// <summary>Steps in all, those before a resumption included.</summary>
    public required long Steps { get; init; }

    /// <summary>Of them, skipped ones.</summary>
    public required long SkippedSteps { get; init; }

    /// <summary>Steps of this process.</summary>
    public required long StepsNow { get; init; }

    /// <summary>Steps of this process whose loss was not finite.</summary>
    public required long NonFiniteLosses { get; init; }

    /// <summary>Mean loss of the last batch; NaN where there was no step.</summary>
    public required float FinalLoss { get; init; }

    /// <summary>Loss scale after the last step; 1 without scaling.</summary>
    public required float FinalScale { get; init; }

    /// <summary>
    /// Share of the test set that the network classifies rightly; null without a test set or with an empty one, or
    /// after an interruption.
    /// </summary>
    public double? TestAccuracy { get; init; }

    /// <summary>
    /// Mean of <see cref="TrainerOptions.Loss"/> over the test set; null without it, and where there is no
    /// <see cref="TestAccuracy"/> either.
    /// </summary>
    public double? TestLoss { get; init; }

    /// <summary>
    /// Whether it ended before its last step because the test accuracy reached
    /// <see cref="TrainerOptions.TargetAccuracy"/>, or reached it with the last.
    /// </summary>
    public bool ReachedTarget { get; init; }

    /// <summary>Whether it was cancelled before its last step, or during the test after it.</summary>
    public required bool Interrupted { get; init; }

    /// <summary>Training samples a second over all steps of this process, NaN where there was none.</summary>
    public required double SamplesPerSecond { get; init; }

    /// <summary>Median time of a step of this process in milliseconds, NaN where there was none.</summary>
    public required double MedianStepMilliseconds { get; init; }
}

/// <summary>The end of a pass over the data.</summary>
public sealed record EpochReport
{
    /// <summary>Passes so far: the first is 1.</summary>
    public required long Epoch { get; init; }

    /// <summary>Steps so far.</summary>
    public required long Step { get; init; }

    /// <summary>Mean loss of the pass, as far as this process saw it, over steps with a finite one.</summary>
    public required double MeanLoss { get; init; }

    /// <summary>
    /// Share of the test set that the network classifies rightly; null without a test set, and where the test was
    /// cancelled.
    /// </summary>
    public required double? TestAccuracy { get; init; }

    /// <summary>
    /// Mean of <see cref="TrainerOptions.Loss"/> over the test set; null without it, and where there is no
    /// <see cref="TestAccuracy"/> either.
    /// </summary>
    public double? TestLoss { get; init; }
}

/// <summary>A checkpoint that was written, loaded or found damaged.</summary>
public sealed record CheckpointReport
{
    /// <summary>The file.</summary>
    public required string File { get; init; }

    /// <summary>Steps that it holds; null for one that was passed over.</summary>
    public required long? Step { get; init; }

    /// <summary>What happened to it, in a sentence.</summary>
    public required string Message { get; init; }
}
