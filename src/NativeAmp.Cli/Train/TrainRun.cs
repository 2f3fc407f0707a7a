using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>nativeamp train: one run from settings to summary.</summary>
internal sealed class TrainRun(TrainSettings settings, Terminal terminal, bool json)
{
    // Where no scale helps, the loss itself is not finite: better to say so than to go on skipping.
    private const int MostSkipsInARow = 250;

    private PrecisionPolicy Precision => settings.Precision switch
    {
        PrecisionKind.Fp16 => PrecisionPolicy.Float16,
        PrecisionKind.Bf16 => PrecisionPolicy.BFloat16,
        _ => PrecisionPolicy.Float32,
    };

    /// <summary>Trains, and writes what came of it.</summary>
    /// <returns>The exit code.</returns>
    public int Run()
    {
        var random = new RandomGenerator(settings.Seed);
        using Device device = CommonOptions.Open(settings.Device, terminal, settings.Threads);
        using TrainTask task = TrainTask.Create(settings, random);
        if (settings.Batch > task.Train.Count)
            throw new UsageException($"--batch is {settings.Batch}, but the data has only {task.Train.Count} samples.");
        using var trainer = new Trainer(task.Model, task.Train, task.Test, device, Options(task, random));
        using MetricsWriter? metrics = settings.Metrics is { } file ? new MetricsWriter(file, append: settings.Resume) : null;
        using var stop = new CancellationTokenSource();
        using ITrainProgress progress = CreateProgress();
        ProfileReport? profile = settings.Profile ? new ProfileReport() : null;
        Attach(trainer, progress, metrics, profile);
        progress.Note(Introduction(task, device));

        TrainingResult result;
        using (PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Stop(context, stop)))
        using (PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Stop(context, stop)))
            result = trainer.Run(stop.Token);
        IReadOnlyList<ProfileRow>? rows = profile?.Finish();

        string? sample = settings is { Model: ModelKind.Gpt, SampleLength: > 0 } && !result.Interrupted
            ? TextSampler.Sample(task.Model, device, Precision, settings.Gpt.Context, settings.SampleLength, settings.Temperature, new RandomGenerator(settings.Seed))
            : null;
        TrainSummary summary = Summarise(result, device) with { Profile = rows };
        metrics?.Write(summary);
        if (json)
            terminal.Output.WriteLine(JsonSerializer.Serialize(summary with { Sample = sample }, TrainJson.Default.TrainSummary));
        else
        {
            Write(summary, sample, progress);
            if (rows is not null)
                ProfileReport.Write(rows, terminal);
        }

        return result.Interrupted ? ExitCode.Interrupted : ExitCode.Success;
    }

    private static void Stop(PosixSignalContext context, CancellationTokenSource stop)
    {
        context.Cancel = true; // the step in hand is finished, and saved
        stop.Cancel();
    }

    private TrainerOptions Options(TrainTask task, RandomGenerator random)
    {
        long steps = settings.Steps ?? settings.Epochs!.Value * (task.Train.Count / settings.Batch);
        long warmup = Math.Min(100, steps / 10);
        GradScalerOptions? scaler = settings.InitialScale is { } scale ? new GradScalerOptions { InitialScale = scale }
            : Precision.NeedsLossScale ? new GradScalerOptions()
            : null;
        return new TrainerOptions
        {
            Epochs = settings.Epochs,
            Steps = settings.Steps,
            Batch = settings.Batch,
            Seed = settings.Seed,
            Adam = new AdamOptions { LearningRate = settings.LearningRate },
            Schedule = LearningRateSchedule.LinearWarmup(warmup, LearningRateSchedule.Cosine(Math.Max(1, steps - warmup), floor: 0.1)),
            Precision = Precision,
            Scaler = scaler is null ? null : scaler with { MaximumConsecutiveSkips = MostSkipsInARow },
            ClipNorm = (float)settings.Clip,
            CheckpointFolder = settings.Checkpoint,
            CheckpointEvery = settings.Every ?? (settings.Model == ModelKind.Gpt ? 100 : 0),
            Resume = settings.Resume,
            Random = random,
        };
    }

    private ITrainProgress CreateProgress() =>
        json ? new SilentProgress() : terminal.Live is { } live ? new BarProgress(live) : new LineProgress(terminal.Output);

    private static void Attach(Trainer trainer, ITrainProgress progress, MetricsWriter? metrics, ProfileReport? profile)
    {
        trainer.StepCompleted += (_, step) =>
        {
            progress.Step(step);
            metrics?.Write(step);
            profile?.Step(step);
        };
        trainer.EpochCompleted += (_, epoch) => progress.Note(string.Create(CultureInfo.InvariantCulture,
            $"epoch {epoch.Epoch}: mean loss {epoch.MeanLoss:0.0000}") + (epoch.TestAccuracy is { } accuracy ? $", test accuracy {Percent(accuracy)}" : ""));
        trainer.Resuming += (_, checkpoint) => progress.Note(checkpoint.Message);
    }

    private string Introduction(TrainTask task, Device device)
    {
        DeviceInfo info = device.Info;
        string threads = info.Kind == DeviceKind.Cpu ? $"{info.Threads} threads, " : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"{settings.Model.ToString().ToLowerInvariant()}, {task.Model.ParameterCount():N0} parameters, {Name(settings.Precision)}, " +
            $"{info.Name} ({threads}{info.Libraries})");
    }

    private TrainSummary Summarise(TrainingResult result, Device device)
    {
        DeviceInfo info = device.Info;
        DeviceMemoryStatistics memory = device.MemoryStatistics;
        var peaks = new OrderedDictionary<string, long> { ["total"] = memory.PeakTotalBytes };
        foreach (MemoryKind kind in DeviceMemoryStatistics.Kinds)
            peaks.Add(JsonNamingPolicy.SnakeCaseLower.ConvertName(kind.ToString()), memory.PeakBytes(kind));
        return new TrainSummary
        {
            SamplesPerSecond = MetricsWriter.Finite(Math.Round(result.SamplesPerSecond, 2)),
            MedianStepMilliseconds = MetricsWriter.Finite(Math.Round(result.MedianStepMilliseconds, 4)),
            TestAccuracy = result.TestAccuracy,
            FinalLoss = MetricsWriter.Finite(result.FinalLoss),
            Skipped = result.SkippedSteps,
            FinalScale = result.FinalScale,
            PeakBytes = peaks,
            Precision = Name(settings.Precision),
            Device = info.Kind.ToString().ToLowerInvariant(),
            Threads = info.Threads,
            Steps = result.Steps,
            Interrupted = result.Interrupted,
        };
    }

    private static void Write(TrainSummary summary, string? sample, ITrainProgress progress)
    {
        if (sample is not null)
            progress.Note($"--- sample ---\n{sample}\n--------------");
        string steps = string.Create(CultureInfo.InvariantCulture,
            $"{(summary.Interrupted ? "stopped" : "done")} after {summary.Steps} steps ({summary.Skipped} skipped), final loss {summary.FinalLoss:0.0000}, " +
            $"scale {ProgressFigures.Scale((float)summary.FinalScale)}, {summary.SamplesPerSecond:0} samples/s, median step {summary.MedianStepMilliseconds:0.0} ms, " +
            $"peak memory {summary.PeakBytes["total"] / (double)(1 << 20):0.0} MiB");
        progress.Note(steps);
        if (summary.TestAccuracy is { } accuracy)
            progress.Note($"test accuracy {Percent(accuracy)}");
    }

    private static string Percent(double share) => (share * 100).ToString("0.00", CultureInfo.InvariantCulture) + " %";

    private static string Name(PrecisionKind precision) => precision.ToString().ToLowerInvariant();
}
