using System.Text.Json;

namespace NativeAmp.Cli.Study;

/// <summary>Reads the files of a study's runs.</summary>
internal static class StudyReader
{
    private const long MostSteps = 10_000_000;

    /// <summary>Reads a run that has ended.</summary>
    public static RunFigures Read(StudyFolder folder, PlannedRun run, RunResult result, int warmup)
    {
        string place = folder.Of(run);
        List<StepPoint> steps = Steps(Path.Combine(place, TrainArguments.Metrics));
        // In a short run a quarter is warm-up, and the rest is measured.
        StepPoint[] measured = [.. steps.Skip(Math.Min(warmup, steps.Count / 4))];
        double seconds = measured.Sum(step => step.Milliseconds) / 1000;
        return new RunFigures
        {
            Run = run,
            Result = result,
            Steps = steps,
            Telemetry = ReadTelemetry(Path.Combine(place, TrainArguments.Telemetry)),
            SamplesPerSecond = seconds > 0 ? measured.Length * (double)run.Configuration.Batch / seconds : double.NaN,
            StepMilliseconds = Statistics.Median([.. measured.Select(step => step.Milliseconds)]),
        };
    }

    private static List<StepPoint> Steps(string file)
    {
        List<StepPoint> steps = [];
        if (!File.Exists(file))
            return steps;
        foreach (string line in File.ReadLines(file))
        {
            if (steps.Count == MostSteps || !line.StartsWith("{\"step\":", StringComparison.Ordinal))
                continue;
            try
            {
                using JsonDocument document = JsonDocument.Parse(line);
                JsonElement step = document.RootElement;
                bool skipped =
                    step.TryGetProperty("skipped", out JsonElement value) && value.ValueKind == JsonValueKind.True;
                steps.Add(
                    new StepPoint(
                        (long)Json.Number(step, "step"),
                        Json.Number(step, "loss"),
                        Json.Number(step, "scale"),
                        skipped,
                        Json.Number(step, "step_ms")
                    )
                );
            }
            catch (JsonException)
            {
                // Part of the last line of a killed process.
            }
        }

        return steps;
    }

    private static Telemetry ReadTelemetry(string file)
    {
        var telemetry = new Telemetry();
        if (File.Exists(file))
        {
            foreach (string line in File.ReadLines(file))
                telemetry.Add(line);
        }

        return telemetry;
    }
}
