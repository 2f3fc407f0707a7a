using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>
/// A ready-made training loop: shuffled batches prepared ahead, mixed precision, loss scaling, clipping, an optimizer,
/// test accuracy after each epoch, and checkpoints that resume with the same bits.
/// </summary>
public sealed partial class Trainer : IDisposable
{
    private const int MostPending = 4;

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
    private readonly BatchLoss _loss;
    private readonly StepProbe? _probe;
    private readonly Readback _lossValues;
    private readonly Queue<PendingStep> _pending = new();
    private readonly int _stepsBehind;
    private long _skipped;
    private bool _ran;
    private bool _disposed;

    /// <summary>Prepares a run.</summary>
    /// <param name="model">
    /// The model. It takes a batch of inputs and returns logits [..., classes], or a tensor for
    /// <see cref="TrainerOptions.Loss"/>. It is moved to the device, and stays the caller's.
    /// </param>
    /// <param name="data">The training set.</param>
    /// <param name="test">The test set, or null. An empty one counts as none.</param>
    /// <param name="device">The device to compute on.</param>
    /// <param name="options">How to train.</param>
    /// <exception cref="ArgumentException">An option is not possible, or the data set is smaller than a
    /// batch.</exception>
    public Trainer(Module model, IDataset data, IDataset? test, Device device, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (data.Count < options.Batch)
            throw new ArgumentException(
                $"The data set has {data.Count} samples, fewer than one batch of {options.Batch}; take a smaller batch."
            );
        _model = model;
        _data = data;
        _test = test is { Count: > 0 } ? test : null;
        _device = device;
        _options = options;
        _loss = options.Loss ?? ClassLoss;
        if (options.Loss is null)
            RequireClasses(data);
        if (_test is not null)
            RequireSameFields(data, _test);
        _totalSteps = options.Steps ?? options.Epochs!.Value * (data.Count / options.Batch);
        _model.To(device);
        _model.Train();
        _optimizer = FusedOptimizer.Create(_model.Parameters(), options.Optimizer);
        _optimizer.Scheduler = options.Schedule;
        _scaler = new GradScaler(
            device,
            options.Scaler ?? (options.Precision.NeedsLossScale ? new GradScalerOptions() : GradScalerOptions.Disabled)
        );
        _checkpoint = new TrainingCheckpoint(_model, _optimizer, _scaler, options.Random, data.Count);
        _tensors = new BatchTensors(device, data, options.Batch);
        _losses = new LossWatch(options.OnNonFiniteLoss);
        _facts = new RunFacts(options, data, _totalSteps);
        // The report of a step comes one step late, so that a GPU has the next step's work while the host waits for
        // this one's outcome. An inspector needs it at once.
        _stepsBehind = device.IsHostMemory || options.WaitsForEachStep || options.Inspector is not null ? 0 : 1;
        _lossValues = new Readback(device, MostPending, sizeof(float));
        _probe = options.Inspector is { } inspector
            ? new StepProbe(inspector, _model, _optimizer, _scaler, options, _facts, data.Count)
            : null;
    }

    /// <summary>
    /// Raised when a step is done, on the thread of <see cref="Run"/> like all events. On a GPU it is raised after the
    /// next step's work was submitted, so that the device is busy while the host waits for the outcome, unless
    /// <see cref="TrainerOptions.WaitsForEachStep"/>. Before a test, a checkpoint and the end of the run all steps are
    /// reported.
    /// </summary>
    public event EventHandler<StepReport>? StepCompleted;

    /// <summary>Raised when a pass over the data is done.</summary>
    public event EventHandler<EpochReport>? EpochCompleted;

    /// <summary>Raised when a checkpoint is safely on the disk.</summary>
    public event EventHandler<CheckpointReport>? CheckpointWritten;

    /// <summary>Raised when the run resumes from a checkpoint, or skips a damaged one.</summary>
    public event EventHandler<CheckpointReport>? Resuming;

    /// <summary>
    /// Trains to the last step, or until it is cancelled. When cancelled, it finishes the current step and, with a
    /// folder of checkpoints, saves a checkpoint.
    /// </summary>
    /// <exception cref="DataFormatException">No checkpoint of the folder is intact.</exception>
    /// <exception cref="CheckpointException">The checkpoint belongs to another run. Nothing was changed.</exception>
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

    /// <summary>
    /// Repeats one step that <see cref="FailedStep.Save"/> saved. <see cref="TrainerOptions.Inspector"/> sees it.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <returns>The outcome of the step.</returns>
    /// <exception cref="DataFormatException">The file is damaged, or is not a saved step.</exception>
    /// <exception cref="CheckpointException">The file belongs to another model or run. Nothing was changed.</exception>
    /// <exception cref="InvalidOperationException">The trainer ran before.</exception>
    public StepReport Replay(string file)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        BeginRun();
        CheckpointFile.Read(file, _checkpoint.Items(), _facts.Values, _facts.MayChange);
        _ran = true;
        using var loader = new BatchLoader(
            _data,
            _options.Batch,
            _options.Seed,
            _checkpoint.Progress.Position,
            ahead: 1
        );
        _skipped = _checkpoint.Progress.Skipped;
        Step(loader);
        return Report(_pending.Dequeue());
    }

    /// <summary>Gives the memory of optimizer, scaler and batches back; the model stays.</summary>
    public void Dispose()
    {
        _disposed = true;
        _lossValues.Dispose();
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

    private static void RequireClasses(IDataset data)
    {
        if (data.Fields is not [_, { DType: DType.Int32 }])
            throw new ArgumentException(
                $"The data set has the fields {Names(data)}; without a {nameof(TrainerOptions.Loss)} of its own a "
                    + "trainer takes two, an input and int32 classes."
            );
    }

    private static void RequireSameFields(IDataset data, IDataset test)
    {
        if (!data.Fields.SequenceEqual(test.Fields))
            throw new ArgumentException(
                $"The data set has the fields {Names(data)} and the test set {Names(test)}; they are to be the same."
            );
    }

    private static string Names(IDataset data) =>
        string.Join(", ", data.Fields.Select(field => $"{field.Name} ({field.DType.Name()} {field.Shape})"));

    private bool IsTarget(Score score) => score.Accuracy is { } reached && reached >= _options.TargetAccuracy;

    private TrainingResult Train(CheckpointDirectory? directory, CancellationToken cancellation)
    {
        using var loader = new BatchLoader(
            _data,
            _options.Batch,
            _options.Seed,
            _checkpoint.Progress.Position,
            _options.Prefetch
        );
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

        while (_checkpoint.Progress.Step < _totalSteps && !IsTarget(score) && !cancellation.IsCancellationRequested)
        {
            Step(loader);
            score = default;
            long step = _checkpoint.Progress.Step;
            bool epochEnds = _checkpoint.Progress.Position.Sample + _options.Batch > _data.Count;
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
                    }
                );
            }
        }

        Complete(0);
        bool interrupted = _checkpoint.Progress.Step < _totalSteps && !IsTarget(score);
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
            ReachedTarget = IsTarget(score),
            Interrupted = interrupted,
            SamplesPerSecond = clock.SamplesPerSecond,
            MedianStepMilliseconds = clock.Median(),
        };

    /// <summary>
    /// The accuracy on the test set, or the loss with <see cref="TrainerOptions.Loss"/>; neither if it was cancelled.
    /// </summary>
    private Score Test(CancellationToken cancellation) =>
        _test is null ? default
        : _options.Loss is null
            ? new Score(Evaluation.Accuracy(_model, _test, _device, _options.Precision, cancellation), null)
        : new Score(null, Evaluation.Loss(_model, _loss, _test, _device, _options.Precision, cancellation));

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
                throw new CheckpointException(
                    folder,
                    ["it holds checkpoints of an earlier run: resume, or take another folder"]
                );
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
        LoadedCheckpoint? loaded = directory.LoadNewest(
            _checkpoint.Items(),
            _facts.Values,
            (file, e) =>
                Resuming?.Invoke(
                    this,
                    new CheckpointReport
                    {
                        File = file,
                        Step = null,
                        Message = $"Passing over a checkpoint: {e.Message}",
                    }
                ),
            _facts.MayChange
        );
        if (loaded is null)
            return;
        string changes = string.Concat(loaded.Changes.Select(change => $"; {change}"));
        Resuming?.Invoke(
            this,
            new CheckpointReport
            {
                File = loaded.File,
                Step = _checkpoint.Progress.Step,
                Message = $"Going on after step {_checkpoint.Progress.Step}, from {loaded.File}{changes}.",
            }
        );
    }

    private long Save(CheckpointDirectory directory)
    {
        long step = _checkpoint.Progress.Step;
        string file = directory.Save(step, _checkpoint.Items(), _facts.Values);
        CheckpointWritten?.Invoke(
            this,
            new CheckpointReport
            {
                File = file,
                Step = step,
                Message = $"Checkpoint of step {step}: {file}",
            }
        );
        return step;
    }

    private readonly record struct Score(double? Accuracy, double? Loss);
}
