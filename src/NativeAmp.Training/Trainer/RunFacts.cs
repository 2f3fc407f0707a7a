using System.Globalization;
using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>What makes a run the one that it is, in words: saved with its checkpoints, and compared when one goes on.</summary>
internal sealed class RunFacts
{
    // With another of these it would not be the same run.
    private static readonly string[] Fixed = ["seed", "batch", "samples", "precision"];

    // What people change on the way.
    private static readonly string[] Movable = ["steps", "learning_rate", "weight_decay", "adam", "clip_norm"];

    // A checkpoint's own.
    private static readonly string[] Reserved = ["sha256", "format"];

    public RunFacts(TrainerOptions options, IDataset data, long steps)
    {
        AdamOptions adam = options.Adam;
        Values = new OrderedDictionary<string, string>
        {
            ["seed"] = Text(options.Seed),
            ["batch"] = Text(options.Batch),
            ["samples"] = Text(data.Count),
            ["precision"] = options.Precision.ToString(),
            ["steps"] = Text(steps),
            ["learning_rate"] = Text(adam.LearningRate),
            ["weight_decay"] = Text(adam.WeightDecay),
            ["adam"] = string.Create(CultureInfo.InvariantCulture,
                $"beta1 {adam.Beta1}, beta2 {adam.Beta2}, epsilon {adam.Epsilon}{(adam.Decoupled ? "" : ", L2")}{(adam.AmsGrad ? ", AMSGrad" : "")}{(adam.Maximize ? ", maximize" : "")}"),
            ["clip_norm"] = Text(options.ClipNorm),
        };
        foreach ((string name, string value) in options.Facts)
            Values.Add(name, value);
        MayChange = (options.AcceptedChanges ?? Movable).Except(Fixed).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>The facts by name.</summary>
    public OrderedDictionary<string, string> Values { get; }

    /// <summary>Names of those that may differ from a checkpoint's.</summary>
    public IReadOnlySet<string> MayChange { get; }

    /// <summary>Whether a name is the trainer's or the checkpoint's own.</summary>
    public static bool IsReserved(string name) => Fixed.Contains(name) || Movable.Contains(name) || Reserved.Contains(name);

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
