using System.Collections.Immutable;

namespace NativeAmp.Training.Metrics;

/// <summary>The names and values that files of metrics get from a trainer's reports.</summary>
internal static class MetricSeries
{
    /// <summary>The names of the values of a step.</summary>
    public static ImmutableArray<string> OfSteps { get; } =
    [
        "train/loss",
        "train/loss_scale",
        "train/gradient_norm",
        "train/learning_rate",
        "train/skipped_steps",
        "train/step_seconds",
    ];

    /// <summary>The values of a step, in the order of <see cref="OfSteps"/>.</summary>
    public static double[] ValuesOf(in StepReport step) =>
        [step.Loss, step.Scale, step.GradientNorm, step.LearningRate, step.SkippedSoFar, step.Milliseconds / 1000];

    /// <summary>The names of the values of a pass, with those of the user's own metrics.</summary>
    public static ImmutableArray<string> OfEpochs(IEnumerable<string> metrics) =>
        ["train/epoch_loss", "test/accuracy", "test/loss", .. metrics.Select(name => $"test/{name}")];

    /// <summary>The values of a pass by name; those that were not measured are left out.</summary>
    public static IEnumerable<(string Name, double Value)> ValuesOf(EpochReport epoch) =>
        OfEpochs(epoch.Metrics.Keys)
            .Zip<string, double?>([
                epoch.MeanLoss,
                epoch.TestAccuracy,
                epoch.TestLoss,
                .. epoch.Metrics.Values.Select(value => (double?)value),
            ])
            .Where(entry => entry.Second is not null)
            .Select(entry => (entry.First, entry.Second!.Value));
}
