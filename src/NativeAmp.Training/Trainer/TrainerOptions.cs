namespace NativeAmp.Training;

/// <summary>How a <see cref="Trainer"/> trains.</summary>
public sealed record TrainerOptions
{
    /// <summary>Passes over the data; give this or <see cref="Steps"/>.</summary>
    public int? Epochs { get; init; }

    /// <summary>Steps in all, those before a resumption included; give this or <see cref="Epochs"/>.</summary>
    public long? Steps { get; init; }

    /// <summary>
    /// Ends the run after the first pass whose test accuracy, from 0 to 1, is this or more; null trains to the last
    /// step in any case.
    /// </summary>
    public double? TargetAccuracy { get; init; }

    /// <summary>Samples of a step.</summary>
    public int Batch { get; init; } = 128;

    /// <summary>Seed of the shuffle.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>
    /// The optimizer's rule and hyperparameters: AdamW, or <see cref="OptimizerOptions"/> of another kind.
    /// </summary>
    public OptimizerOptions Optimizer { get; init; } = new AdamOptions();

    /// <summary>How the learning rate moves; null leaves it.</summary>
    public ILearningRateScheduler? Schedule { get; init; }

    /// <summary>What operators compute in.</summary>
    public PrecisionPolicy Precision { get; init; } = PrecisionPolicy.Float32;

    /// <summary>
    /// The loss of a batch: for regression, several inputs, several targets. Null takes the cross-entropy of the
    /// model's output for the first field, logits [..., classes], with the second, int32 classes; and tests measure
    /// accuracy. With a loss of its own a test measures that loss, and there is no accuracy.
    /// </summary>
    public BatchLoss? Loss { get; init; }

    /// <summary>
    /// How the loss is scaled; null scales dynamically where <see cref="PrecisionPolicy.NeedsLossScale"/> and not at
    /// all elsewhere.
    /// </summary>
    public GradScalerOptions? Scaler { get; init; }

    /// <summary>
    /// Norm that gradients are clipped to; 0 for no clipping, as is infinity. <see cref="StepReport.GradientNorm"/> is
    /// measured in each case.
    /// </summary>
    public float ClipNorm { get; init; }

    /// <summary>What to do where the loss of a batch is infinite or not a number.</summary>
    public NonFiniteLoss OnNonFiniteLoss { get; init; }

    /// <summary>Folder of checkpoints; null for none.</summary>
    public string? CheckpointFolder { get; init; }

    /// <summary>
    /// Steps from one checkpoint to the next; 0 for one at the end of each epoch. The last step is always followed by
    /// one.
    /// </summary>
    public long CheckpointEvery { get; init; }

    /// <summary>Checkpoints that are kept.</summary>
    public int CheckpointsKept { get; init; } = 3;

    /// <summary>
    /// Go on from the newest intact checkpoint of the folder, or begin anew if it holds none. Without it a folder that
    /// holds checkpoints is refused.
    /// </summary>
    public bool Resume { get; init; }

    /// <summary>
    /// What else makes the run what it is, such as the sizes of its model or the name of its data: saved with every
    /// checkpoint. One with others is refused, unless <see cref="AcceptedChanges"/> names them.
    /// </summary>
    public IReadOnlyDictionary<string, string> Facts { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Facts that may differ from those of the checkpoint that the run goes on from; <see cref="Trainer.Resuming"/>
    /// tells of those that do. Null for those that leave a run what it is: "steps", "learning_rate", "weight_decay",
    /// "hyperparameters", "clip_norm". "rule", "seed", "batch", "samples" and "precision" never may.
    /// </summary>
    public IReadOnlyCollection<string>? AcceptedChanges { get; init; }

    /// <summary>
    /// The generator whose state is part of a checkpoint: the one that the model's dropout draws from.
    /// </summary>
    public RandomGenerator Random { get; init; } = RandomGenerator.Default;

    /// <summary>Looks into steps; null for nobody.</summary>
    public StepInspector? Inspector { get; init; }

    /// <summary>Batches that are prepared ahead.</summary>
    public int Prefetch { get; init; } = 3;

    /// <summary>Refuses what cannot be meant.</summary>
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
        Check(ClipNorm >= 0, nameof(ClipNorm), ClipNorm, "above 0, or 0 for no clipping");
        Check(Enum.IsDefined(OnNonFiniteLoss), nameof(OnNonFiniteLoss), OnNonFiniteLoss, "one of its names");
        Check(CheckpointEvery >= 0, nameof(CheckpointEvery), CheckpointEvery, "1 or more, or 0 for once an epoch");
        Check(CheckpointsKept > 0, nameof(CheckpointsKept), CheckpointsKept, "1 or more");
        Check(Prefetch > 0, nameof(Prefetch), Prefetch, "1 or more");
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
