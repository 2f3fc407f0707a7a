using System.Diagnostics;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>
/// The training loop, for those who want none: shuffled batches prepared ahead, mixed precision, loss scaling, clipping, an optimizer, test accuracy
/// after each epoch, checkpoints that resume with the same bits.
/// </summary>
public sealed class Trainer : IDisposable
{
    private readonly Module _model;
    private readonly IDataset _data;
    private readonly IDataset? _test;
    private readonly Device _device;
    private readonly TrainerOptions _options;
    private readonly FusedOptimizer _optimizer;
    private readonly GradScaler _scaler;
    private readonly TrainingCheckpoint _checkpoint;
    private readonly BatchTensors _tensors;
    private readonly long _totalSteps;
    private readonly LossWatch _losses;
    private readonly RunFacts _facts;
    private readonly StepProbe? _probe;
    private bool _ran;
    private bool _disposed;

    /// <summary>Prepares a run.</summary>
    /// <param name="model">Takes a batch of inputs and gives logits [..., classes]; moved to the device. It stays the caller's.</param>
    /// <param name="data">What it learns.</param>
    /// <param name="test">What it is measured on, or null; one without samples counts as none.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ArgumentException">An option is not possible, or the data set is smaller than a batch.</exception>
    public Trainer(Module model, IDataset data, IDataset? test, Device device, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (data.Count < options.Batch)
            throw new ArgumentException($"The data set has {data.Count} samples, fewer than one batch of {options.Batch}; take a smaller batch.");
        _model = model;
        _data = data;
        _test = test is { Count: > 0 } ? test : null;
        _device = device;
        _options = options;
        _totalSteps = options.Steps ?? options.Epochs!.Value * (data.Count / options.Batch);
        _model.To(device);
        _model.Train();
        _optimizer = FusedOptimizer.Create(_model.Parameters(), options.Optimizer);
        _optimizer.Scheduler = options.Schedule;
        _scaler = new GradScaler(device, options.Scaler ?? (options.Precision.NeedsLossScale ? new GradScalerOptions() : GradScalerOptions.Disabled));
        _checkpoint = new TrainingCheckpoint(_model, _optimizer, _scaler, options.Random, data.Count);
        _tensors = new BatchTensors(device, data, options.Batch);
        _losses = new LossWatch(options.OnNonFiniteLoss);
        _facts = new RunFacts(options, data, _totalSteps);
        _probe = options.Inspector is { } inspector ? new StepProbe(inspector, _model, _optimizer, _scaler, options, _facts, data.Count) : null;
    }

    /// <summary>A step is done; raised on the thread of <see cref="Run"/>, as all events are.</summary>
    public event EventHandler<StepReport>? StepCompleted;

    /// <summary>A pass over the data is done.</summary>
    public event EventHandler<EpochReport>? EpochCompleted;

    /// <summary>A checkpoint lies safely on the disk.</summary>
    public event EventHandler<CheckpointReport>? CheckpointWritten;

    /// <summary>The run goes on from a checkpoint, or passed over a damaged one.</summary>
    public event EventHandler<CheckpointReport>? Resuming;

    /// <summary>Trains to the last step, or until it is cancelled: then the step in hand is finished and, with a folder of checkpoints, saved.</summary>
    /// <exception cref="DataFormatException">No checkpoint of the folder is intact.</exception>
    /// <exception cref="CheckpointException">The checkpoint is another run's; nothing was changed.</exception>
    /// <exception cref="CheckpointFolderInUseException">Another run uses the folder of checkpoints.</exception>
    /// <exception cref="NonFiniteLossException">See <see cref="TrainerOptions.OnNonFiniteLoss"/>.</exception>
    /// <exception cref="InvalidOperationException">It ran before.</exception>
    public TrainingResult Run(CancellationToken cancellation = default)
    {
        BeginRun();
        using CheckpointDirectory? directory = OpenDirectory();
        _ran = true;
        return Train(directory, cancellation);
    }

    /// <summary>Does one step again that <see cref="FailedStep.Save"/> kept, and nothing after it. <see cref="TrainerOptions.Inspector"/> sees it.</summary>
    /// <param name="file">The file.</param>
    /// <returns>What it came to.</returns>
    /// <exception cref="DataFormatException">The file is damaged or none of ours.</exception>
    /// <exception cref="CheckpointException">It is of another model or run; nothing was changed.</exception>
    /// <exception cref="InvalidOperationException">The trainer ran before.</exception>
    public StepReport Replay(string file)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        BeginRun();
        CheckpointFile.Read(file, _checkpoint.Items(), _facts.Values, _facts.MayChange);
        _ran = true;
        using var loader = new BatchLoader(_data, _options.Batch, _options.Seed, _checkpoint.Progress.Position, ahead: 1);
        return Step(loader);
    }

    /// <summary>Gives optimizer, scaler and batch memory back; the model stays.</summary>
    public void Dispose()
    {
        _disposed = true;
        _tensors.Dispose();
        _scaler.Dispose();
        _optimizer.Dispose();
    }

    private void BeginRun()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_ran)
            throw new InvalidOperationException("A trainer runs once; resume from a checkpoint with a new one.");
    }

    private bool IsTarget(double? accuracy) => accuracy is { } reached && reached >= _options.TargetAccuracy;

    private TrainingResult Train(CheckpointDirectory? directory, CancellationToken cancellation)
    {
        using var loader = new BatchLoader(_data, _options.Batch, _options.Seed, _checkpoint.Progress.Position, _options.Prefetch);
        var clock = new StepClock();
        var epochLoss = new MeanLoss();
        float loss = float.NaN;
        double? accuracy = null;
        long saved = _checkpoint.Progress.Step;
        while (_checkpoint.Progress.Step < _totalSteps && !IsTarget(accuracy) && !cancellation.IsCancellationRequested)
        {
            StepReport report = Step(loader);
            loss = report.Loss;
            accuracy = null;
            epochLoss.Add(loss);
            clock.Add(report.Milliseconds, report.Samples);
            StepCompleted?.Invoke(this, report);
            if (_losses.Ends(report))
                throw new NonFiniteLossException(report, Result(clock, loss, accuracy: null, interrupted: false), _losses.InARow);

            bool epochEnds = _checkpoint.Progress.Position.Sample + _options.Batch > _data.Count;
            // Before the test, which takes long, may fail, and changes nothing that is saved.
            if (directory is not null && (_options.CheckpointEvery == 0 ? epochEnds : report.Step % _options.CheckpointEvery == 0))
                saved = Save(directory);
            if (epochEnds)
            {
                accuracy = Test(cancellation);
                EpochCompleted?.Invoke(this, new EpochReport
                {
                    Epoch = _checkpoint.Progress.Position.Epoch + 1,
                    Step = report.Step,
                    MeanLoss = epochLoss.TakeMean(),
                    TestAccuracy = accuracy,
                });
            }
        }

        bool interrupted = _checkpoint.Progress.Step < _totalSteps && !IsTarget(accuracy);
        if (directory is not null && saved != _checkpoint.Progress.Step)
            Save(directory);
        if (!interrupted)
        {
            accuracy ??= Test(cancellation);
            interrupted = _test is not null && accuracy is null;
        }

        return Result(clock, loss, interrupted ? null : accuracy, interrupted);
    }

    private TrainingResult Result(StepClock clock, float loss, double? accuracy, bool interrupted) => new()
    {
        Steps = _checkpoint.Progress.Step,
        StepsNow = clock.Count,
        SkippedSteps = _checkpoint.Progress.Skipped,
        NonFiniteLosses = _losses.Count,
        FinalLoss = loss,
        FinalScale = _scaler.GetScale(),
        TestAccuracy = accuracy,
        ReachedTarget = IsTarget(accuracy),
        Interrupted = interrupted,
        SamplesPerSecond = clock.SamplesPerSecond,
        MedianStepMilliseconds = clock.Median(),
    };

    private StepReport Step(BatchLoader loader)
    {
        long start = Stopwatch.GetTimestamp();
        Batch batch = loader.Next();
        _tensors.Write(batch);
        Tensor loss;
        using IDisposable? observed = _probe?.Begin(batch, _checkpoint.Progress);
        // Whatever the model makes besides what Backward goes over is given back with the step.
        using TensorScope scope = TensorScope.Enter();
        using (Autocast.Enter(_options.Precision))
        {
            loss = Forward();
            if (_losses.PassesOver(loss))
                return PassOver(loss, batch, start);
            _scaler.Scale(loss).Backward();
        }

        // Before the step: a loss may be infinite and its gradients finite. Looking again leaves the gradients that are there.
        bool failed = _probe is not null && !float.IsFinite(loss.Item());
        _probe?.GradientsReady();
        if (failed)
            _probe!.Failed(loss.Item(), Forward);
        if (_options.ClipNorm > 0)
            _optimizer.ClipGradNorm(_options.ClipNorm);
        StepResult result = _scaler.Step(_optimizer);
        _scaler.Update();
        _optimizer.ZeroGrad();
        // What follows waits for the device; all its work is on the way by now.
        float value = loss.Item();
        if (_probe is not null && !failed && result.Skipped)
        {
            _probe.Failed(value, Forward);
            _optimizer.ZeroGrad();
        }

        return Done(batch, start, value, result.Scale, foundInf: result.Skipped, result.Skipped, result.LearningRate, result.GradientNorm);
    }

    private Tensor Forward() => Loss.CrossEntropy(_model.Call(_tensors.Input), _tensors.Targets);

    /// <summary>Leaves a batch whose loss is not finite: what its forward pass holds goes with the step, and nothing learns of it.</summary>
    private StepReport PassOver(Tensor loss, Batch batch, long start)
    {
        float value = loss.Item();
        if (_probe is not null)
        {
            _probe.Failed(value, Forward);
            _optimizer.ZeroGrad();
        }

        return Done(batch, start, value, _scaler.GetScale(), foundInf: false, skipped: true, _optimizer.NextLearningRate(), gradientNorm: float.NaN);
    }

    private StepReport Done(Batch batch, long start, float loss, float scale, bool foundInf, bool skipped, double learningRate, float gradientNorm)
    {
        double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        TrainingProgress before = _checkpoint.Progress;
        TrainingProgress now = new(before.Step + 1, before.Skipped + (skipped ? 1 : 0), batch.Next);
        _checkpoint.Progress = now;
        double epoch = now.Position.Epoch + (double)now.Position.Sample / _data.Count;
        return new StepReport
        {
            Step = now.Step,
            Epoch = epoch,
            Loss = loss,
            Scale = scale,
            FoundInf = foundInf,
            Skipped = skipped,
            SkippedSoFar = now.Skipped,
            LearningRate = learningRate,
            GradientNorm = gradientNorm,
            Milliseconds = milliseconds,
            Samples = batch.Count,
            TotalSteps = _totalSteps,
        };
    }

    private double? Test(CancellationToken cancellation) =>
        _test is null ? null : Evaluation.Accuracy(_model, _test, _device, _options.Precision, cancellation);

    private CheckpointDirectory? OpenDirectory()
    {
        if (_options.CheckpointFolder is not { } folder)
            return null;
        var directory = new CheckpointDirectory(folder, _options.CheckpointsKept);
        try
        {
            if (_options.Resume)
                Resume(directory);
            else if (directory.HasAny)
                throw new CheckpointException(folder, ["it holds checkpoints of an earlier run: resume, or take another folder"]);
            return directory;
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }

    private void Resume(CheckpointDirectory directory)
    {
        LoadedCheckpoint? loaded = directory.LoadNewest(_checkpoint.Items(), _facts.Values,
            (file, e) => Resuming?.Invoke(this, new CheckpointReport { File = file, Step = null, Message = $"Passing over a checkpoint: {e.Message}" }), _facts.MayChange);
        if (loaded is null)
            return;
        string changes = string.Concat(loaded.Changes.Select(change => $"; {change}"));
        Resuming?.Invoke(this, new CheckpointReport
        {
            File = loaded.File,
            Step = _checkpoint.Progress.Step,
            Message = $"Going on after step {_checkpoint.Progress.Step}, from {loaded.File}{changes}.",
        });
    }

    private long Save(CheckpointDirectory directory)
    {
        long step = _checkpoint.Progress.Step;
        string file = directory.Save(step, _checkpoint.Items(), _facts.Values);
        CheckpointWritten?.Invoke(this, new CheckpointReport { File = file, Step = step, Message = $"Checkpoint of step {step}: {file}" });
        return step;
    }
}
