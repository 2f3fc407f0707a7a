using System.Collections.ObjectModel;

namespace NativeAmp.Training;

/// <summary>The options of a <see cref="Trainer"/>.</summary>
public sealed record TrainerOptions
{
    /// <summary>Number of passes over the data; give this or <see cref="Steps"/>.</summary>
    public int? Epochs { get; init; }

    /// <summary>
    /// Total number of steps, including those before a resumption; give this or <see cref="Epochs"/>.
    /// </summary>
    public long? Steps { get; init; }

    /// <summary>
    /// Test accuracy, from 0 to 1, that ends the run: it stops after the first pass that reaches it. Null always trains
    /// to the last step.
    /// </summary>
    public double? TargetAccuracy { get; init; }

    /// <summary>Number of samples in a batch: those of one forward and backward pass.</summary>
    public int Batch { get; init; } = 128;

    /// <summary>
    /// Number of batches in a step, whose gradients add up to those of their mean loss (gradient accumulation). A step
    /// of n batches takes the memory of one.
    /// </summary>
    public int AccumulateBatches { get; init; } = 1;

    /// <summary>
    /// Whether to leave out the last samples of a pass, or of a stream, that do not fill a step. Otherwise they are a
    /// smaller step.
    /// </summary>
    public bool DropLast { get; init; } = true;

    /// <summary>Seed of the shuffle.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>
    /// The optimizer's rule and hyperparameters. The default is AdamW. <see cref="OptimizerOptions.MasterFormat"/> is
    /// of a model that <see cref="ModuleExtensions.To{T}(T, DType)"/> converted to half precision.
    /// </summary>
    public OptimizerOptions Optimizer { get; init; } = new AdamOptions();

    /// <summary>
    /// Divides the model's parameters into groups with hyperparameters of their own, given the model and
    /// <see cref="Optimizer"/>, such as <see cref="ParameterGroups.DecayMatricesOnly"/>. Parameters in no group are not
    /// trained; <see cref="Tensor.RequiresGrad"/> false also spares their gradients. Null makes one group of all.
    /// </summary>
    public Func<Module, OptimizerOptions, IEnumerable<ParameterGroup>>? Groups { get; init; }

    /// <summary>The learning-rate schedule; null for a constant rate.</summary>
    public ILearningRateScheduler? Schedule { get; init; }

    /// <summary>The types that the model trains in.</summary>
    public PrecisionPolicy Precision { get; init; } = PrecisionPolicy.Float32;

    /// <summary>
    /// The loss of a batch, for example for regression, several inputs or several targets. Null takes the cross-entropy
    /// of the model's output for the first field, logits [..., classes], and the second field, int32 classes; tests
    /// then measure accuracy. With a loss given here, tests measure that loss, and there is no accuracy.
    /// </summary>
    public BatchLoss? Loss { get; init; }

    /// <summary>
    /// Other values to measure on the test set, by name. Each computes the model's output anew.
    /// </summary>
    public IReadOnlyDictionary<string, BatchMetric> Metrics { get; init; } =
        ReadOnlyDictionary<string, BatchMetric>.Empty;

    /// <summary>
    /// How the loss is scaled. Null scales dynamically if <see cref="PrecisionPolicy.NeedsLossScale"/>; otherwise it
    /// does not scale.
    /// </summary>
    public GradScalerOptions? Scaler { get; init; }

    /// <summary>
    /// The largest global gradient norm; larger gradients are clipped to it. 0 and infinity do not clip.
    /// <see cref="StepReport.GradientNorm"/> is always measured.
    /// </summary>
    public float ClipNorm { get; init; }

    /// <summary>The action when the loss of a batch is infinite or NaN.</summary>
    public NonFiniteLoss OnNonFiniteLoss { get; init; }

    /// <summary>Folder of checkpoints; null for none.</summary>
    public string? CheckpointFolder { get; init; }

    /// <summary>
    /// Steps between checkpoints; 0 writes one at the end of each epoch. There is always one after the last step.
    /// </summary>
    public long CheckpointEvery { get; init; }

    /// <summary>Number of checkpoints to keep.</summary>
    public int CheckpointsKept { get; init; } = 3;

    /// <summary>
    /// Whether to resume from the newest intact checkpoint of the folder, or begin anew if it holds none. If false, a
    /// folder that holds checkpoints is refused.
    /// </summary>
    public bool Resume { get; init; }

    /// <summary>
    /// Other facts that define the run, such as the sizes of its model or the name of its data. They are saved with
    /// every checkpoint. A checkpoint with other facts is refused, unless <see cref="AcceptedChanges"/> names them.
    /// </summary>
    public IReadOnlyDictionary<string, string> Facts { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Names of facts that may differ from those of the checkpoint that the run resumes from;
    /// <see cref="Trainer.Resuming"/> reports the differences. Null allows "steps", "learning_rate", "weight_decay",
    /// "hyperparameters", "optimizer_state", "masters" and "clip_norm". "rule", "seed", "batch", "samples" and
    /// "precision" may never differ.
    /// </summary>
    public IReadOnlyCollection<string>? AcceptedChanges { get; init; }

    /// <summary>The random generator whose state is saved in checkpoints: the one of the model's dropout.</summary>
    public RandomGenerator Random { get; init; } = RandomGenerator.Default;

    /// <summary>An inspector of the steps; null for none.</summary>
    public StepInspector? Inspector { get; init; }

    /// <summary>
    /// Whether a step on a GPU is reported before the next step's work is submitted, as it always is on the CPU. The
    /// device then idles while the host prepares a step. For measurements, which begin and end with a step.
    /// </summary>
    public bool WaitsForEachStep { get; init; }

    /// <summary>
    /// Whether steps on a GPU are captured as a graph, one launch each (<see cref="CapturedStep"/>, which says what a
    /// step must not do). Null captures them if the library knows all of their code: the model's modules are its own,
    /// and there is no <see cref="Loss"/>. True captures them with modules and a loss of one's own, too; false never.
    /// </summary>
    /// <remarks>
    /// Steps are taken as calls all the same on the CPU, for the last samples of a pass that fill no batch, with
    /// <see cref="AccumulateBatches"/>, with an <see cref="Inspector"/>, under <see cref="NonFiniteLoss.Skip"/>, and
    /// while a profile is measured. <see cref="Trainer.NotCaptured"/> says so.
    /// </remarks>
    public bool? CaptureSteps { get; init; }

    /// <summary>Number of batches to prepare ahead.</summary>
    public int Prefetch { get; init; } = 3;

    /// <summary>Samples of a step.</summary>
    internal int SamplesOfAStep => Batch * AccumulateBatches;

    /// <summary>Checks the values.</summary>
    internal void Validate()
    {
        if (Epochs is null == Steps is null)
            throw new ArgumentException($"Give either {nameof(Epochs)} or {nameof(Steps)}.");
        Check(Epochs is null or > 0, nameof(Epochs), Epochs, "1 or more");
        Check(Steps is null or > 0, nameof(Steps), Steps, "1 or more");
        Check(
            TargetAccuracy is null or (> 0 and <= 1),
            nameof(TargetAccuracy),
            TargetAccuracy,
            "above 0 and at most 1"
        );
        Check(
            TargetAccuracy is null || Loss is null,
            nameof(TargetAccuracy),
            TargetAccuracy,
            $"left out where there is a {nameof(Loss)}, which has no accuracy"
        );
        Check(Batch > 0, nameof(Batch), Batch, "1 or more");
        Check(
            AccumulateBatches > 0 && (long)Batch * AccumulateBatches <= int.MaxValue,
            nameof(AccumulateBatches),
            AccumulateBatches,
            $"1 or more, and at most {int.MaxValue} samples in all"
        );
        Check(ClipNorm >= 0, nameof(ClipNorm), ClipNorm, "above 0, or 0 for no clipping");
        Check(Enum.IsDefined(OnNonFiniteLoss), nameof(OnNonFiniteLoss), OnNonFiniteLoss, "one of its names");
        Check(CheckpointEvery >= 0, nameof(CheckpointEvery), CheckpointEvery, "1 or more, or 0 for once an epoch");
        Check(CheckpointsKept > 0, nameof(CheckpointsKept), CheckpointsKept, "1 or more");
        Check(Prefetch > 0, nameof(Prefetch), Prefetch, "1 or more");
        Check(
            !Metrics.Keys.Any(name => name is "" or "loss" or "accuracy"),
            nameof(Metrics),
            string.Join(", ", Metrics.Keys),
            "of other names than loss and accuracy, which tests measure by themselves"
        );
        Check(
            !Facts.Keys.Any(RunFacts.IsReserved),
            nameof(Facts),
            string.Join(", ", Facts.Keys),
            "of other names than the trainer's own"
        );
        Check(!Resume || CheckpointFolder is not null, nameof(Resume), Resume, $"with a {nameof(CheckpointFolder)}");
    }

    private static void Check(bool valid, string name, object? value, string expected)
    {
        if (!valid)
            throw new ArgumentException(
                FormattableString.Invariant($"The {name} of a trainer is {value}; it must be {expected}.")
            );
    }
}
