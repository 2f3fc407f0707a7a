using System.Collections.ObjectModel;

namespace NativeAmp.Training;

/// <summary>The result of a run.</summary>
public sealed record TrainingResult
{
    /// <summary>Total number of steps, including those before a resumption.</summary>
    public required long Steps { get; init; }

    /// <summary>Number of steps that were skipped.</summary>
    public required long SkippedSteps { get; init; }

    /// <summary>Steps of this process.</summary>
    public required long StepsNow { get; init; }

    /// <summary>Steps of this process whose loss was not finite.</summary>
    public required long NonFiniteLosses { get; init; }

    /// <summary>Mean loss of the last batch; NaN if there was no step.</summary>
    public required float FinalLoss { get; init; }

    /// <summary>Loss scale after the last step; 1 without scaling.</summary>
    public required float FinalScale { get; init; }

    /// <summary>
    /// Share of the test set that the network classifies correctly. Null without a test set or with an empty one, and
    /// after an interruption.
    /// </summary>
    public double? TestAccuracy { get; init; }

    /// <summary>
    /// Mean of <see cref="TrainerOptions.Loss"/> over the test set. Null without that option, and in the cases in which
    /// <see cref="TestAccuracy"/> is null.
    /// </summary>
    public double? TestLoss { get; init; }

    /// <summary>
    /// Means of <see cref="TrainerOptions.Metrics"/> over the test set, by name; empty without those, and where there
    /// was no test.
    /// </summary>
    public IReadOnlyDictionary<string, double> Metrics { get; init; } = ReadOnlyDictionary<string, double>.Empty;

    /// <summary>Why the run ended before its last step by <see cref="Trainer.Stop"/>; null if it was not
    /// stopped.</summary>
    public string? StopReason { get; init; }

    /// <summary>
    /// Whether the test accuracy reached <see cref="TrainerOptions.TargetAccuracy"/>, which ended the run.
    /// </summary>
    public bool ReachedTarget { get; init; }

    /// <summary>Whether the run was cancelled before its last step, or during the test after it.</summary>
    public required bool Interrupted { get; init; }

    /// <summary>Training samples per second over all steps of this process; NaN if there was none.</summary>
    public required double SamplesPerSecond { get; init; }

    /// <summary>Median time of a step of this process in milliseconds; NaN if there was none.</summary>
    public required double MedianStepMilliseconds { get; init; }
}

/// <summary>The end of a pass over the data.</summary>
public sealed record EpochReport
{
    /// <summary>Number of the pass, from 1.</summary>
    public required long Epoch { get; init; }

    /// <summary>Steps so far.</summary>
    public required long Step { get; init; }

    /// <summary>Mean loss of the pass, over the steps of this process with a finite loss.</summary>
    public required double MeanLoss { get; init; }

    /// <summary>
    /// Share of the test set that the network classifies correctly. Null without a test set, and if the test was
    /// cancelled.
    /// </summary>
    public required double? TestAccuracy { get; init; }

    /// <summary>
    /// Mean of <see cref="TrainerOptions.Loss"/> over the test set. Null without that option, and in the cases in which
    /// <see cref="TestAccuracy"/> is null.
    /// </summary>
    public double? TestLoss { get; init; }

    /// <summary>
    /// Means of <see cref="TrainerOptions.Metrics"/> over the test set, by name; empty without those, and where there
    /// was no test.
    /// </summary>
    public IReadOnlyDictionary<string, double> Metrics { get; init; } = ReadOnlyDictionary<string, double>.Empty;
}

/// <summary>A checkpoint that was written, loaded or found damaged.</summary>
public sealed record CheckpointReport
{
    /// <summary>The file.</summary>
    public required string File { get; init; }

    /// <summary>Number of steps at the checkpoint; null if it was skipped.</summary>
    public required long? Step { get; init; }

    /// <summary>The outcome, in a sentence.</summary>
    public required string Message { get; init; }
}
