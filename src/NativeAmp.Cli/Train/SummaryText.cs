using System.Globalization;
using NativeAmp.Cli.Output;
using NativeAmp.Planning;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>The summary of a run in words. A figure that is missing is explained.</summary>
internal static class SummaryText
{
    public static void Write(
        TrainingResult result,
        TrainSummary summary,
        bool stopped,
        string? sample,
        ITrainProgress progress
    )
    {
        if (sample is not null)
            progress.Note($"--- sample ---\n{Terminal.Printable(sample, keep: "\n\t")}\n--------------");
        string loss = result.StepsNow == 0 ? "none of them now" : $"final loss {Loss(result.FinalLoss)}";
        string speed =
            result.StepsNow == 0
                ? ""
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"{result.SamplesPerSecond:0} samples/s, median step {result.MedianStepMilliseconds:0.0} ms, "
                );
        progress.Note(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{(stopped ? "stopped" : "done")} after {result.Steps} steps ({result.SkippedSteps} skipped), {loss}, "
                    + $"scale {ProgressFigures.Scale(result.FinalScale)}, {speed}peak memory "
                    + $"{MiB(summary.PeakBytes["total"])} MiB"
            )
        );
        if (summary.Memory is { } memory)
            progress.Note(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"MiB of a step: parameters {MiB(memory.Parameters)}, compute copies {MiB(memory.ComputeCopies)}, "
                        + $"gradients {MiB(memory.Gradients)}, "
                        + $"optimizer state {MiB(memory.OptimizerState)}, activations {MiB(memory.Activations)}, "
                        + $"workspace {MiB(memory.Workspace)}, "
                        + $"other {MiB(memory.Other)}, together {MiB(memory.Peak)}"
                )
            );
        foreach (EnergyRow energy in summary.Energy ?? [])
            progress.Note(
                energy.Joules is { } joules
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"energy of {energy.Source}: {joules:0.##} J in {energy.Seconds:0.0} s, "
                            + $"{energy.JoulesPerSample:G4} J a sample (by {energy.Method})"
                    )
                    : $"energy of {energy.Source}: not available: {energy.Reason}"
            );
        if (result.TestAccuracy is { } accuracy)
            progress.Note($"test accuracy {Percentage.Fine(accuracy)}");
    }

    public static string Loss(double loss) =>
        double.IsNaN(loss) ? "nan"
        : double.IsInfinity(loss) ? "inf"
        : loss.ToString("0.0000", CultureInfo.InvariantCulture);

    private static string MiB(long bytes) => (bytes / BinaryUnits.MiB).ToString("0.0", CultureInfo.InvariantCulture);
}
