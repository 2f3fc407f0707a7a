using System.Globalization;

namespace NativeAmp.Training;

/// <summary>
/// The settings that define a run, as text. They are saved with its checkpoints, and compared when a run resumes.
/// </summary>
internal sealed class RunFacts
{
    // A run with another of these values is another run.
    private static readonly string[] Fixed = ["rule", "seed", "batch", "samples", "precision"];

    // Settings that people change on the way.
    private static readonly string[] Movable =
    [
        "steps",
        "learning_rate",
        "weight_decay",
        "hyperparameters",
        "optimizer_state",
        "masters",
        "clip_norm",
    ];

    // A checkpoint's own.
    private static readonly string[] Reserved = ["sha256", "format"];

    public RunFacts(TrainerOptions options, TrainingSource source, IReadOnlyList<ParameterGroup> groups, long steps)
    {
        OptimizerOptions optimizer = options.Optimizer;
        Values = new OrderedDictionary<string, string>
        {
            ["rule"] = optimizer.RuleName + GroupText(groups),
            ["seed"] = Text(options.Seed),
            ["batch"] = BatchText(options),
            ["samples"] = source.Data is { } data ? Text(data.Count) : "a stream",
            ["precision"] = options.Precision.ToString(),
            ["steps"] = Text(steps),
            ["learning_rate"] = Text(optimizer.LearningRate),
            ["weight_decay"] = Text(optimizer.WeightDecay),
            ["hyperparameters"] = optimizer.Describe(),
            ["optimizer_state"] = optimizer.DescribeState(),
            ["masters"] = MasterText(groups),
            ["clip_norm"] = Text(options.ClipNorm),
        };
        foreach ((string name, string value) in options.Facts)
            Values.Add(name, value);
        MayChange = (options.AcceptedChanges ?? Movable).Except(Fixed).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>The facts by name.</summary>
    public OrderedDictionary<string, string> Values { get; }

    /// <summary>Names of the facts that may differ from a checkpoint's.</summary>
    public IReadOnlySet<string> MayChange { get; }

    /// <summary>Whether the trainer or the checkpoint reserves a name.</summary>
    public static bool IsReserved(string name) =>
        Fixed.Contains(name) || Movable.Contains(name) || Reserved.Contains(name);

    // Runs without these options keep the text that their older checkpoints have.
    private static string GroupText(IReadOnlyList<ParameterGroup> groups) =>
        groups.Count == 1 ? "" : $", groups of {string.Join(", ", groups.Select(g => Text(g.Parameters.Count)))}";

    // Norms and tables of a converted model are float32.
    private static string MasterText(IReadOnlyList<ParameterGroup> groups)
    {
        string[] halves =
        [
            .. groups
                .SelectMany(group =>
                    group.Parameters.Where(p => p.DType != DType.Float32).Select(group.Options.DescribeMaster)
                )
                .Distinct(),
        ];
        return halves.Length == 0 ? DType.Float32.Name() : string.Join(" and ", halves);
    }

    private static string BatchText(TrainerOptions options) =>
        Text(options.Batch)
        + (options.AccumulateBatches == 1 ? "" : $" × {Text(options.AccumulateBatches)}")
        + (options.DropLast ? "" : ", with the last samples");

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
