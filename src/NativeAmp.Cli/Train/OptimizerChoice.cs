namespace NativeAmp.Cli.Train;

/// <summary>An optimizer that --optimizer names.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Defaults">Its default hyperparameters in words.</param>
/// <param name="Rate">Its default peak learning rate, as a function of AdamW's.</param>
/// <param name="WeightDecay">Its default weight decay.</param>
/// <param name="Options">Makes its hyperparameters from a learning rate and a weight decay.</param>
internal sealed record OptimizerChoice(
    string Name,
    string Defaults,
    Func<double, double> Rate,
    double WeightDecay,
    Func<double, double, OptimizerOptions> Options
)
{
    /// <summary>All choices, the default first.</summary>
    public static readonly IReadOnlyList<OptimizerChoice> All =
    [
        new(
            "adamw",
            "weight decay 0.01",
            adamW => adamW,
            0.01,
            (rate, decay) => new AdamOptions { LearningRate = rate, WeightDecay = decay }
        ),
        new(
            "adam",
            "weight decay 0, added to the gradient",
            adamW => adamW,
            0,
            (rate, decay) =>
                new AdamOptions
                {
                    LearningRate = rate,
                    WeightDecay = decay,
                    Decoupled = false,
                }
        ),
        new(
            "sgd",
            "momentum 0.9, learning rate 0.1, weight decay 0",
            _ => 0.1,
            0,
            (rate, decay) =>
                new SgdOptions
                {
                    LearningRate = rate,
                    WeightDecay = decay,
                    Momentum = 0.9,
                }
        ),
        new(
            "lion",
            "a fifth of AdamW's learning rate, weight decay 0.05",
            adamW => adamW / 5,
            0.05,
            (rate, decay) => new LionOptions { LearningRate = rate, WeightDecay = decay }
        ),
        new(
            "rmsprop",
            "AdamW's learning rate, weight decay 0",
            adamW => adamW,
            0,
            (rate, decay) => new RmsPropOptions { LearningRate = rate, WeightDecay = decay }
        ),
    ];

    /// <summary>All choices with their defaults, for a help text.</summary>
    public static string Help => string.Join("; ", All.Select(choice => $"{choice.Name}: {choice.Defaults}"));

    /// <summary>Finds a choice by name, or null.</summary>
    public static OptimizerChoice? Find(string name) => All.FirstOrDefault(choice => choice.Name == name);
}
