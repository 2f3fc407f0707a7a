using Microsoft.Extensions.Logging;

namespace NativeAmp.Extensions;

/// <summary>The messages of runs and devices.</summary>
internal static partial class TrainingLog
{
    [LoggerMessage(1, LogLevel.Information, "Computing on {Device} ({Libraries}). {Reason}")]
    public static partial void DeviceOpened(ILogger logger, string device, string libraries, string reason);

    [LoggerMessage(2, LogLevel.Information, "Training has begun.")]
    public static partial void Begun(ILogger logger);

    [LoggerMessage(
        3,
        LogLevel.Debug,
        "Step {Step} of {TotalSteps}: loss {Loss}, scale {Scale}, learning rate {LearningRate}, {Milliseconds} ms."
    )]
    public static partial void StepDone(
        ILogger logger,
        long step,
        long totalSteps,
        float loss,
        float scale,
        double learningRate,
        double milliseconds
    );

    [LoggerMessage(4, LogLevel.Information, "Step {Step} was skipped: {Reason}")]
    public static partial void StepSkipped(ILogger logger, long step, string? reason);

    [LoggerMessage(5, LogLevel.Information, "The loss scale went from {Before} to {After} before step {Step}.")]
    public static partial void ScaleChanged(ILogger logger, float before, float after, long step);

    [LoggerMessage(6, LogLevel.Warning, "The loss of step {Step} is {Loss}.")]
    public static partial void LossNotFinite(ILogger logger, long step, float loss);

    [LoggerMessage(
        7,
        LogLevel.Information,
        "Epoch {Epoch}, step {Step}: mean loss {MeanLoss}, test accuracy {TestAccuracy}, test loss {TestLoss}."
    )]
    public static partial void EpochDone(
        ILogger logger,
        long epoch,
        long step,
        double meanLoss,
        double? testAccuracy,
        double? testLoss
    );

    [LoggerMessage(8, LogLevel.Information, "{Message}")]
    public static partial void Checkpoint(ILogger logger, string message);

    [LoggerMessage(
        9,
        LogLevel.Information,
        "Training is done after {Steps} steps, {Skipped} of them skipped: loss {Loss}. {StopReason}"
    )]
    public static partial void Done(ILogger logger, long steps, long skipped, float loss, string? stopReason);

    [LoggerMessage(10, LogLevel.Information, "Training was cancelled after {Steps} steps.")]
    public static partial void Cancelled(ILogger logger, long steps);

    [LoggerMessage(11, LogLevel.Error, "Training failed.")]
    public static partial void Failed(ILogger logger, Exception failure);
}
