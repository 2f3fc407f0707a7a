using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using NativeAmp.Training;

namespace NativeAmp.Extensions;

/// <summary>
/// Runs trainers and tells of them: by a logger, by the meter and the activity source <see cref="SourceName"/>, and by
/// its own properties, which any thread may read.
/// </summary>
public sealed class TrainingMonitor : IDisposable
{
    /// <summary>Name of the meter and of the activity source.</summary>
    public const string SourceName = "NativeAmp.Training";

    private static readonly ActivitySource Source = new(SourceName);

    private readonly ILogger _logger;
    private readonly Meter? _ownMeter;
    private readonly TrainingMeter _meter;
    private volatile object? _lastStep; // boxed, so that no reader sees half a report
    private volatile EpochReport? _lastEpoch;
    private volatile TrainingResult? _result;
    private volatile Exception? _failure;
    private int _running;

    /// <summary>A monitor.</summary>
    /// <param name="device">The device whose memory the meter shows.</param>
    /// <param name="logger">Gets messages of steps (debug), skipped steps, scale changes, epochs and checkpoints
    /// (information), losses that are not finite (warning), and failures (error).</param>
    /// <param name="meters">Makes the meter; null for one without a factory.</param>
    public TrainingMonitor(Device device, ILogger<TrainingMonitor> logger, IMeterFactory? meters = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(logger);
        _logger = logger;
        // A factory disposes its meters itself.
        Meter meter = meters?.Create(SourceName) ?? (_ownMeter = new Meter(SourceName));
        _meter = new TrainingMeter(meter, device);
    }

    /// <summary>Whether a trainer runs.</summary>
    public bool IsRunning => Volatile.Read(ref _running) > 0;

    /// <summary>The last step; null before the first.</summary>
    public StepReport? LastStep => (StepReport?)_lastStep;

    /// <summary>The last pass over the data; null before the first.</summary>
    public EpochReport? LastEpoch => _lastEpoch;

    /// <summary>The result of the last run; null while there is none.</summary>
    public TrainingResult? Result => _result;

    /// <summary>The exception that the last run failed with; null if it did not.</summary>
    public Exception? Failure => _failure;

    /// <summary>Runs a trainer on a thread of its own.</summary>
    /// <param name="trainer">The trainer, which stays the caller's. It has not run.</param>
    /// <param name="progress">Gets the report of each step, on the trainer's thread; null for none.</param>
    /// <param name="cancellation">Ends the run within a step.</param>
    public async Task<TrainingResult> RunAsync(
        Trainer trainer,
        IProgress<StepReport>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(trainer);
        using Activity? activity = Source.StartActivity("nativeamp.train");
        Attach(trainer, activity, progress);
        (_result, _failure) = (null, null);
        Interlocked.Increment(ref _running);
        TrainingLog.Begun(_logger);
        try
        {
            TrainingResult result = await trainer.RunAsync(cancellation).ConfigureAwait(false);
            _result = result;
            activity?.SetTag("nativeamp.training.steps", result.Steps);
            activity?.SetTag("nativeamp.training.skipped_steps", result.SkippedSteps);
            activity?.SetTag("nativeamp.training.interrupted", result.Interrupted);
            if (result.Interrupted)
                TrainingLog.Cancelled(_logger, result.Steps);
            else
                TrainingLog.Done(_logger, result.Steps, result.SkippedSteps, result.FinalLoss, result.StopReason);
            return result;
        }
        catch (Exception failure)
        {
            _failure = failure;
            activity?.SetStatus(ActivityStatusCode.Error, failure.Message);
            activity?.SetTag("error.type", failure.GetType().FullName);
            TrainingLog.Failed(_logger, failure);
            throw;
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    /// <summary>Ends the meter, if no factory made it.</summary>
    public void Dispose() => _ownMeter?.Dispose();

    private void Attach(Trainer trainer, Activity? activity, IProgress<StepReport>? progress)
    {
        float? scale = null;
        trainer.StepCompleted += (_, step) =>
        {
            _lastStep = step;
            _meter.Add(step);
            Log(step, scale);
            scale = step.Scale;
            progress?.Report(step);
        };
        trainer.EpochCompleted += (_, epoch) =>
        {
            _lastEpoch = epoch;
            TrainingLog.EpochDone(_logger, epoch.Epoch, epoch.Step, epoch.MeanLoss, epoch.TestAccuracy, epoch.TestLoss);
            activity?.AddEvent(
                new ActivityEvent(
                    "nativeamp.epoch",
                    tags: new ActivityTagsCollection
                    {
                        ["nativeamp.training.epoch"] = epoch.Epoch,
                        ["nativeamp.training.loss"] = epoch.MeanLoss,
                    }
                )
            );
        };
        trainer.CheckpointWritten += (_, checkpoint) => TrainingLog.Checkpoint(_logger, checkpoint.Message);
        trainer.Resuming += (_, checkpoint) => TrainingLog.Checkpoint(_logger, checkpoint.Message);
    }

    private void Log(in StepReport step, float? scaleBefore)
    {
        TrainingLog.StepDone(
            _logger,
            step.Step,
            step.TotalSteps,
            step.Loss,
            step.Scale,
            step.LearningRate,
            step.Milliseconds
        );
        if (scaleBefore is { } before && before != step.Scale)
            TrainingLog.ScaleChanged(_logger, before, step.Scale, step.Step);
        if (step.Skipped)
            TrainingLog.StepSkipped(_logger, step.Step, step.Reason);
        if (!float.IsFinite(step.Loss))
            TrainingLog.LossNotFinite(_logger, step.Step, step.Loss);
    }
}
