using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Train;
using NativeAmp.Training;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Inspect;

/// <summary>A checkpoint from before a failed step, with the run's settings and the step's outcome.</summary>
internal static class ReplayFile
{
    private const string SettingsKey = "settings";
    private const string OutcomeKey = "outcome";

    /// <summary>Saves a file beside that of --inspect-out.</summary>
    /// <returns>Its path.</returns>
    public static string Save(FailedStep step, TrainSettings settings, StepOutcome outcome, string beside)
    {
        string file =
            Path.ChangeExtension(beside, null)
            + string.Create(CultureInfo.InvariantCulture, $"-step-{step.Place.Step}.safetensors");
        TrainSettings kept = settings with { Data = settings.Data is { } data ? Path.GetFullPath(data) : null };
        step.Save(
            file,
            new Dictionary<string, string>
            {
                [SettingsKey] = JsonSerializer.Serialize(kept, StepJson.Default.TrainSettings),
                [OutcomeKey] = JsonSerializer.Serialize(outcome, StepJson.Default.StepOutcome),
            }
        );
        return file;
    }

    /// <summary>Reads the settings and the outcome. The trainer reads the state.</summary>
    /// <exception cref="DataFormatException">It is not such a file.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static (TrainSettings Settings, StepOutcome Outcome) Read(string path)
    {
        using SafetensorsReader reader = SafetensorsReader.Open(path);
        try
        {
            if (
                reader.Metadata.TryGetValue(SettingsKey, out string? settings)
                && reader.Metadata.TryGetValue(OutcomeKey, out string? outcome)
                && JsonSerializer.Deserialize(settings, StepJson.Default.TrainSettings) is { } read
                && JsonSerializer.Deserialize(outcome, StepJson.Default.StepOutcome) is { } recorded
                && IsPossible(read)
            )
                return (read, recorded);
        }
        catch (JsonException e)
        {
            throw Foreign(path, e);
        }

        throw Foreign(path, inner: null);
    }

    // The ranges that the command line checks elsewhere: a file may come from anyone.
    private static bool IsPossible(TrainSettings settings) =>
        settings
            is {
                Batch: > 0,
                Gpt:
                {
                    Context: > 0 and <= GptSize.MostContext,
                    Width: > 0 and <= GptSize.MostWidth,
                    Heads: > 0,
                    Blocks: > 0 and <= GptSize.MostBlocks
                }
            }
        && settings.Gpt.Width % settings.Gpt.Heads == 0
        && settings.Epochs is null != settings.Steps is null
        && (settings.Epochs ?? 1) > 0
        && (settings.Steps ?? 1) > 0
        && OptimizerChoice.Find(settings.Optimizer) is not null
        && settings.MastersFit
        && settings.LearningRate > 0
        && settings.WeightDecay >= 0
        && settings.Clip >= 0
        && settings.InitialScale is null or > 0;

    private static DataFormatException Foreign(string path, Exception? inner) =>
        new(path, 0, "no settings of a step", "a file that 'nativeamp train --inspect' kept of a failed step", inner);
}
