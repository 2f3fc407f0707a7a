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
    private readonly TrainingSource _source;
    private readonly IDataset? _test;
    private readonly Device _device;
    private readonly TrainerOptions _options;
    private readonly FusedOptimizer _optimizer;
    private readonly GradScaler _scaler;
    private readonly TrainingCheckpoint _checkpoint;
    private readonly BatchTensors _tensors;
    private BatchTensors? _lastTensors;
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
    private int _running;
    private bool _disposed;
    private volatile string? _stopReason;

    /// <summary>Prepares a run over a data set.</summary>
    /// <param name="model">
    /// The model. It takes a batch of inputs and returns logits [..., classes], or a tensor for
    /// <see cref="TrainerOptions.Loss"/>. It is moved to the device, and stays the caller's. Its parameters have the
    /// types that they have: <see cref="ModuleExtensions.To{T}(T, DType)"/> converts them before. It is set to training
    /// mode here. A module that is set to <see cref="Module.Eval"/> afterwards, such as a batch norm whose statistics
    /// are to stay, keeps that mode in the run.
    /// </param>
    /// <param name="data">The training set.</param>
    /// <param name="test">The test set, or null. An empty one counts as none.</param>
    /// <param name="device">The device to compute on.</param>
    /// <param name="options">How to train.</param>
    /// <exception cref="ArgumentException">An option is not possible, or the data set is smaller than a
    /// batch.</exception>
    public Trainer(Module model, IDataset data, IDataset? test, Device device, TrainerOptions options)
        : this(model, Source(data), test, device, options) { }

    /// <summary>
    /// Prepares a run over a stream. There are no passes over it: the run ends after <see cref="TrainerOptions.Steps"/>
    /// steps or with the stream, and tests once, at its end.
    /// </summary>
    /// <param name="model">As for a data set.</param>
    /// <param name="data">The training samples.</param>
    /// <param name="test">The test set, or null. An empty one counts as none.</param>
    /// <param name="device">The device to compute on.</param>
    /// <param name="options">How to train.</param>
    /// <exception cref="ArgumentException">An option is not possible.</exception>
    public Trainer(Module model, SampleStream data, IDataset? test, Device device, TrainerOptions options)
        : this(model, Source(data), test, device, options) { }

    private Trainer(Module model, TrainingSource source, IDataset? test, Device device, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        source.Check(options);
        _model = model;
        _source = source;
        _test = test is { Count: > 0 } ? test : null;
        _device = device;
        _options = options;
        _loss = options.Loss ?? ClassLoss;
        if (options.Loss is null)
            RequireClasses(source.Fields);
        if (_test is not null)
            RequireSameFields(source.Fields, _test.Fields);
        else if (options.Metrics.Count > 0)
            throw new ArgumentException(
                $"The {nameof(TrainerOptions.Metrics)} are measured on a test set, and there is none: give one."
            );
        _totalSteps = source.CountSteps(options);
        _model.To(device);
        _model.Train();
        ParameterGroup[] groups = options.Groups is null
            ? [new ParameterGroup(_model.Parameters(), options.Optimizer)]
            : [.. options.Groups(_model, options.Optimizer)];
        _optimizer = options.Optimizer.CreateOptimizer(groups);
        _optimizer.Scheduler = options.Schedule;
        _scaler = new GradScaler(
            device,
            options.Scaler ?? (options.Precision.NeedsLossScale ? new GradScalerOptions() : GradScalerOptions.Disabled)
        );
        _checkpoint = new TrainingCheckpoint(_model, _optimizer, _scaler, options.Random, source.Samples);
        _tensors = new BatchTensors(device, source.Fields, options.Batch);
        _losses = new LossWatch(options.OnNonFiniteLoss);
        _facts = new RunFacts(options, source, groups, _totalSteps);
        // The report of a step comes one step late, so that a GPU has the next step's work while the host waits for
        // this one's outcome. An inspector needs it at once.
        _stepsBehind = device.IsHostMemory || options.WaitsForEachStep || options.Inspector is not null ? 0 : 1;
        _lossValues = new Readback(device, MostPending, sizeof(float));
        _probe = options.Inspector is { } inspector
            ? new StepProbe(inspector, _model, _optimizer, _scaler, options, _facts, source.Samples)
            : null;
        PrepareCapture();
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
    /// Ends the run after the current step, as if it were the last: it is tested, and saved where there is a folder of
    /// checkpoints. Handlers of the events call it, and other threads may. On a GPU a handler of
    /// <see cref="StepCompleted"/> hears of a step when the next one has begun; that one then is the last.
    /// </summary>
    /// <param name="reason">The reason, for <see cref="TrainingResult.StopReason"/>. The first one counts.</param>
    public void Stop(string reason)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        _stopReason ??= reason;
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
        using IBatchSource source = _source.Open(_options, _checkpoint.Progress.Position, ahead: 1);
        _skipped = _checkpoint.Progress.Skipped;
        Step(source, CancellationToken.None);
        return Report(_pending.Dequeue());
    }

    /// <summary>Gives the memory of optimizer, scaler and batches back; the model stays.</summary>
    public void Dispose()
    {
        _disposed = true;
        _captured?.Dispose();
        _lossValues.Dispose();
        _tensors.Dispose();
        _lastTensors?.Dispose();
        _scaler.Dispose();
        _optimizer.Dispose();
    }

    private void BeginRun()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_ran)
            throw new InvalidOperationException("A trainer runs once; resume from a checkpoint with a new one.");
    }

    /// <summary>Names of the user's own metrics.</summary>
    internal IEnumerable<string> MetricNames => _options.Metrics.Keys;

    private static TrainingSource Source(IDataset data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return new TrainingSource(data);
    }

    private static TrainingSource Source(SampleStream data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return new TrainingSource(data);
    }

    private static void RequireClasses(IReadOnlyList<DataField> fields)
    {
        if (fields is not [_, { DType: DType.Int32 }])
            throw new ArgumentException(
                $"The data set has the fields {Names(fields)}; without a {nameof(TrainerOptions.Loss)} of its own a "
                    + "trainer takes two, an input and int32 classes."
            );
    }

    private static void RequireSameFields(IReadOnlyList<DataField> data, IReadOnlyList<DataField> test)
    {
        if (!data.SequenceEqual(test))
            throw new ArgumentException(
                $"The data set has the fields {Names(data)} and the test set {Names(test)}; they are to be the same."
            );
    }

    private static string Names(IReadOnlyList<DataField> fields) =>
        string.Join(", ", fields.Select(field => $"{field.Name} ({field.DType.Name()} {field.Shape})"));
}
