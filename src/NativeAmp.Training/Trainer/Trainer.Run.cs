using System.Collections.ObjectModel;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;

namespace NativeAmp.Training;

// The loop over steps, with tests and checkpoints between them.
public sealed partial class Trainer
{
    /// <summary>
    /// Trains to the last step, or until it is stopped or cancelled. When cancelled, it finishes the current step, or
    /// gives up waiting for its samples, and saves a checkpoint where there is a folder of checkpoints.
    /// </summary>
    /// <exception cref="DataFormatException">No checkpoint of the folder is intact.</exception>
    /// <exception cref="CheckpointException">The checkpoint belongs to another run. Nothing was changed.</exception>
    /// <exception cref="CheckpointFolderInUseException">Another run uses the folder of checkpoints.</exception>
    /// <exception cref="NonFiniteLossException">See <see cref="TrainerOptions.OnNonFiniteLoss"/>.</exception>
    /// <exception cref="InvalidOperationException">It ran before, or is running.</exception>
    public TrainingResult Run(CancellationToken cancellation = default)
    {
        if (Interlocked.Exchange(ref _running, 1) != 0)
            throw new InvalidOperationException("The trainer is running, and a trainer runs once.");
        try
        {
            BeginRun();
            using CheckpointDirectory? directory = OpenDirectory();
            _ran = true;
            return Train(directory, cancellation);
        }
        finally
        {
            Volatile.Write(ref _running, 0);
        }
    }

    /// <summary>
    /// As <see cref="Run"/>, on a thread of its own from the first step to the last: nothing is awaited within a step,
    /// and no pool thread is held. Events are raised on that thread.
    /// </summary>
    /// <param name="cancellation">Ends the run. The task then has a result as well, whose
    /// <see cref="TrainingResult.Interrupted"/> is true.</param>
    /// <returns>The result, or an exception of <see cref="Run"/>.</returns>
    public Task<TrainingResult> RunAsync(CancellationToken cancellation = default) =>
        Task.Factory.StartNew(
            () => Run(cancellation),
            CancellationToken.None,
            TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
            TaskScheduler.Default
        );

    private static readonly ReadOnlyDictionary<string, double> NoMetrics = ReadOnlyDictionary<string, double>.Empty;

    private bool IsToGoOn(Score score) =>
        _checkpoint.Progress.Step < _totalSteps && !IsTarget(score) && _stopReason is null;

    private bool IsTarget(Score score) => score.Accuracy is { } reached && reached >= _options.TargetAccuracy;

    private TrainingResult Train(CheckpointDirectory? directory, CancellationToken cancellation)
    {
        using IBatchSource source = _source.Open(_options, _checkpoint.Progress.Position, _options.Prefetch);
        var clock = new StepClock();
        var epochLoss = new MeanLoss();
        float loss = float.NaN;
        Score score = default;
        long saved = _checkpoint.Progress.Step;
        _skipped = _checkpoint.Progress.Skipped;

        // Until at most this many steps have an unknown outcome.
        void Complete(int left)
        {
            while (_pending.Count > left)
            {
                StepReport report = Report(_pending.Dequeue());
                loss = report.Loss;
                epochLoss.Add(loss);
                clock.Add(report.Milliseconds, report.Samples);
                StepCompleted?.Invoke(this, report);
                if (_losses.Ends(report))
                    throw new NonFiniteLossException(
                        report,
                        Result(clock, loss, default, interrupted: false),
                        _losses.InARow
                    );
            }
        }

        while (IsToGoOn(score) && !cancellation.IsCancellationRequested)
        {
            if (!Step(source, cancellation))
                break;
            score = default;
            long step = _checkpoint.Progress.Step;
            bool epochEnds = _source.IsEnd(_checkpoint.Progress.Position, _options);
            bool saves =
                directory is not null
                && (_options.CheckpointEvery == 0 ? epochEnds : step % _options.CheckpointEvery == 0);
            Complete(epochEnds || saves ? 0 : _stepsBehind);
            // Before the test: it takes long, may fail, and does not change the saved state.
            if (saves)
                saved = Save(directory!);
            if (epochEnds)
            {
                score = Test(cancellation);
                EpochCompleted?.Invoke(
                    this,
                    new EpochReport
                    {
                        Epoch = _checkpoint.Progress.Position.Epoch + 1,
                        Step = step,
                        MeanLoss = epochLoss.TakeMean(),
                        TestAccuracy = score.Accuracy,
                        TestLoss = score.Loss,
                        Metrics = score.Metrics ?? NoMetrics,
                    }
                );
            }
        }

        Complete(0);
        bool interrupted = IsToGoOn(score);
        if (directory is not null && saved != _checkpoint.Progress.Step)
            Save(directory);
        if (!interrupted)
        {
            if (score == default)
                score = Test(cancellation);
            interrupted = _test is not null && score == default;
        }

        return Result(clock, loss, interrupted ? default : score, interrupted);
    }

    private TrainingResult Result(StepClock clock, float loss, Score score, bool interrupted) =>
        new()
        {
            Steps = _checkpoint.Progress.Step,
            StepsNow = clock.Count,
            SkippedSteps = _checkpoint.Progress.Skipped,
            NonFiniteLosses = _losses.Count,
            FinalLoss = loss,
            FinalScale = _scaler.GetScale(),
            TestAccuracy = score.Accuracy,
            TestLoss = score.Loss,
            Metrics = score.Metrics ?? NoMetrics,
            StopReason = _stopReason,
            ReachedTarget = IsTarget(score),
            Interrupted = interrupted,
            SamplesPerSecond = clock.SamplesPerSecond,
            MedianStepMilliseconds = clock.Median(),
        };

    /// <summary>
    /// The accuracy on the test set, or the loss with <see cref="TrainerOptions.Loss"/>, and the user's own metrics;
    /// none if it was cancelled.
    /// </summary>
    private Score Test(CancellationToken cancellation)
    {
        if (_test is null)
            return default;
        ReleaseCaptured();
        List<Evaluation.Measure> measures =
        [
            _options.Loss is null ? Evaluation.AccuracyOf(_model) : Evaluation.LossOf(_model, _loss),
            .. _options.Metrics.Values.Select(metric => Evaluation.MetricOf(_model, metric)),
        ];
        double[]? means = Evaluation.Means(_model, _test, _device, _options.Precision, measures, cancellation);
        if (means is null)
            return default;
        var metrics = new OrderedDictionary<string, double>(
            _options.Metrics.Keys.Zip(means.Skip(1), KeyValuePair.Create)
        );
        return _options.Loss is null ? new Score(means[0], null, metrics) : new Score(null, means[0], metrics);
    }

    private readonly record struct Score(double? Accuracy, double? Loss, IReadOnlyDictionary<string, double>? Metrics);
}
