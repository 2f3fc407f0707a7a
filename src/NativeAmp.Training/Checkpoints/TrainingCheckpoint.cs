namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// The state of a training run as items of one checkpoint: parameters, buffers, state and steps of the optimizer, the
/// scaler, the random generator, and the progress of the run. Parameters are their float32 masters, however these are
/// kept, so that the same items load into any <see cref="MasterFormat"/> and into models for evaluation.
/// </summary>
internal sealed class TrainingCheckpoint(
    Module model,
    FusedOptimizer optimizer,
    GradScaler scaler,
    RandomGenerator random,
    long samples
)
{
    /// <summary>The beginning of the names of the model's items.</summary>
    public const string ModelPrefix = "model.";

    /// <summary>The progress of the run. Saved, and set by loading.</summary>
    public TrainingProgress Progress { get; set; }

    /// <summary>The model's part of a checkpoint.</summary>
    public static IEnumerable<CheckpointItem> ModelItems(Module model) =>
        model
            .State()
            .Select(entry =>
                CheckpointItem.Floats(
                    ModelPrefix + entry.Name,
                    Dimensions(entry.Values),
                    destination => entry.Values.ReadMaster().CopyTo(destination),
                    entry.Values.WriteMaster
                )
            );

    /// <summary>
    /// The items of a checkpoint. Do not mix the items of two calls: they hold the optimizer's state at the time of the
    /// call.
    /// </summary>
    public IReadOnlyList<CheckpointItem> Items()
    {
        List<CheckpointItem> items = [ProgressItem(), ScalerItem(), RandomItem()];
        items.AddRange(ModelItems(model));
        items.AddRange(OptimizerItems());
        return items;
    }

    private static long[] Dimensions(Parameter parameter) => parameter.Shape.Dimensions.ToArray();

    private CheckpointItem ProgressItem() =>
        CheckpointItem.Integers(
            "progress",
            4,
            () => [Progress.Step, Progress.Skipped, Progress.Position.Epoch, Progress.Position.Sample],
            values => Progress = ToProgress(values),
            values => ToProgress(values).IsPossible(samples)
        );

    private static TrainingProgress ToProgress(long[] values) => new(values[0], values[1], new(values[2], values[3]));

    private CheckpointItem ScalerItem() =>
        CheckpointItem.Integers(
            "scaler",
            6,
            () =>
            {
                GradScalerState state = scaler.SaveState();
                return
                [
                    BitConverter.SingleToInt32Bits(state.Scale),
                    state.GrowthTracker,
                    state.HysteresisLeft,
                    state.Updates,
                    state.SkippedUpdates,
                    state.ConsecutiveSkips,
                ];
            },
            values => scaler.LoadState(ToScaler(values)),
            values =>
            {
                // No more bits than the state has, and room to count on.
                if (
                    ((long[])[values[0], values[1], values[2], values[5]]).Any(value => value != (int)value)
                    || values[1] == int.MaxValue
                    || values[3] > long.MaxValue / 2
                    || values[5] == int.MaxValue
                )
                    return false;
                GradScalerState state = ToScaler(values);
                return float.IsFinite(state.Scale)
                    && state.Scale >= 0
                    && state.GrowthTracker >= -scaler.Options.FirstGrowthDelay
                    && state.SkippedUpdates >= 0
                    && state.SkippedUpdates <= state.Updates
                    && state.ConsecutiveSkips >= 0
                    && state.ConsecutiveSkips <= state.SkippedUpdates;
            }
        );

    private static GradScalerState ToScaler(long[] values) =>
        new()
        {
            Scale = BitConverter.Int32BitsToSingle((int)values[0]),
            GrowthTracker = (int)values[1],
            HysteresisLeft = (int)values[2],
            Updates = values[3],
            SkippedUpdates = values[4],
            ConsecutiveSkips = (int)values[5],
        };

    private CheckpointItem RandomItem() =>
        CheckpointItem.Integers(
            "random",
            2,
            () => [unchecked((long)random.State.Seed), unchecked((long)random.State.Offset)],
            values => random.State = new RandomState(unchecked((ulong)values[0]), unchecked((ulong)values[1]))
        );

    private IEnumerable<CheckpointItem> OptimizerItems()
    {
        OptimizerSnapshot saved = optimizer.SaveState();
        List<ParameterSnapshot> loaded = [];
        IEnumerable<Parameter> parameters = optimizer.Groups.SelectMany(group => group.Parameters).Cast<Parameter>();
        foreach ((Parameter parameter, ParameterSnapshot source) in parameters.Zip(saved.Parameters))
        {
            long[] shape = Dimensions(parameter);
            // A master is the model's item.
            Dictionary<string, float[]> target = source
                .State.Where(column => column.Key != MasterColumn.Name)
                .ToDictionary(column => column.Key, column => new float[column.Value.Length]);
            loaded.Add(source with { State = target });
            foreach (string column in target.Keys)
                yield return CheckpointItem.Floats(
                    $"optimizer.{column}.{source.Name}",
                    shape,
                    source.State[column].CopyTo,
                    read => read.CopyTo(target[column])
                );
        }

        // The optimizer's count of steps, and then each parameter's. They come last, when all state is there.
        yield return CheckpointItem.Integers(
            "optimizer.steps",
            1 + saved.Parameters.Count,
            () => [saved.Step, .. saved.Parameters.Select(parameter => parameter.Step)],
            values =>
                optimizer.LoadState(
                    new OptimizerSnapshot
                    {
                        Step = values[0],
                        Parameters = [.. loaded.Select((parameter, i) => parameter with { Step = values[i + 1] })],
                    }
                ),
            values => values.All(count => count >= 0)
        );
    }
}
