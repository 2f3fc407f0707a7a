using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Inspect;
using NativeAmp.Cli.Output;
using NativeAmp.Training;
using NativeAmp.Training.Data;
using NativeAmp.Training.Metrics;

namespace NativeAmp.Cli.Train;

/// <summary>nativeamp train: one run from settings to summary.</summary>
internal sealed class TrainRun(TrainSettings settings, Terminal terminal, bool json)
{
    // If no scale helps, the loss itself is not finite: report that instead of skipping on.
    private const int MostSkipsInARow = 250;

    private PrecisionPolicy Precision => settings.Precision.Policy();

    /// <summary>Trains, and writes the summary.</summary>
    /// <returns>The exit code.</returns>
    public int Run()
    {
        var random = new RandomGenerator(settings.Seed);
        using Device device = CommonOptions.Open(settings.Device, terminal, settings.Threads);
        using TrainTask task = TrainTask.Create(settings, device, random);
        using LiveInspector? inspector = settings.Inspect is null ? null : new LiveInspector(settings);
        using var trainer = new Trainer(
            task.Model,
            task.Train,
            task.Test,
            device,
            Options(task, random) with
            {
                Inspector = inspector,
            }
        );
        using MetricsWriter? metrics = settings.Metrics is { } file
            ? new MetricsWriter(file, goesOn: settings.Resume)
            : null;
        using TensorBoardWriter? board = settings.TensorBoard is { } folder ? new TensorBoardWriter(folder) : null;
        using var stop = new CancellationTokenSource();
        var outputs = new OutputGuard(stop);
        using TrainTelemetry? telemetry = settings.Telemetry is { } samples
            ? new TrainTelemetry(samples, settings, device, task.Train.Count / settings.Batch, outputs)
            : null;
        using ITrainProgress progress = ITrainProgress.Create(terminal, json);
        inspector?.Attach(progress, outputs);
        ProfileReport? profile = settings.Profile ? new ProfileReport() : null;
        var memory = new MemoryWatch(device);
        Attach(trainer, progress, metrics, profile, memory, outputs);
        board?.Attach(trainer, outputs.Write);
        Attach(trainer, telemetry);
        if (task.Test is { Count: 0 })
            terminal.Error.WriteLine("nativeamp: the test set has no samples, so no accuracy is measured");
        progress.Note(Introduction(task, device));

        (TrainingResult result, NonFiniteLossException? failure) = Train(trainer, stop);
        IReadOnlyList<ProfileRow>? rows = profile?.Finish();
        telemetry?.Finish();
        if (outputs.Failure is not null)
            throw new IOException(
                $"{outputs.Failure.Message.TrimEnd('.')}; stopped after {result.Steps} "
                    + $"steps{(settings.Checkpoint is null ? "" : ", saved")}.",
                outputs.Failure
            );

        string? sample =
            settings is { Model: ModelKind.Gpt, SampleLength: > 0 } && !result.Interrupted && failure is null
                ? TextSampler.Sample(
                    (Gpt)task.Model,
                    Precision,
                    settings.SampleLength,
                    settings.Temperature,
                    new RandomGenerator(settings.Seed)
                )
                : null;
        TrainSummary summary = Summarise(result, device, memory) with
        {
            Profile = rows,
            Products = profile?.Products,
            Energy = telemetry?.Energy,
            JoulesPerSample = telemetry?.JoulesPerSample,
        };
        metrics?.Write(summary);
        if (json)
            terminal.Output.WriteLine(
                JsonSerializer.Serialize(summary with { Sample = sample }, TrainJson.Default.TrainSummary)
            );
        else
        {
            SummaryText.Write(result, summary, stopped: result.Interrupted || failure is not null, sample, progress);
            if (rows is not null)
                ProfileReport.Write(rows, terminal);
        }

        return Outcome(result, failure);
    }

    private static (TrainingResult Result, NonFiniteLossException? Failure) Train(
        Trainer trainer,
        CancellationTokenSource stop
    )
    {
        using var signals = new StopSignals(stop);
        try
        {
            return (trainer.Run(stop.Token), null);
        }
        catch (NonFiniteLossException e)
        {
            return (e.Result, e);
        }
    }

    private int Outcome(TrainingResult result, NonFiniteLossException? failure)
    {
        if (failure is not null)
        {
            string others = settings.OnNan == NonFiniteLoss.Stop ? "skip or go-on" : "go-on";
            terminal.Error.WriteLine($"nativeamp: {failure.Message} --on-nan {others} would not stop there.");
            return ExitCode.Failure;
        }

        if (result.NonFiniteLosses > 0)
            terminal.Error.WriteLine(
                $"nativeamp: the loss was not finite in {result.NonFiniteLosses} of {result.StepsNow} steps"
            );
        return result.Interrupted ? ExitCode.Interrupted
            : result.StepsNow > 0 && !float.IsFinite(result.FinalLoss) ? ExitCode.Failure
            : ExitCode.Success;
    }

    /// <summary>The trainer's options from these settings.</summary>
    public TrainerOptions Options(TrainTask task, RandomGenerator random)
    {
        long steps = settings.Steps ?? settings.Epochs!.Value * (task.Train.Count / settings.Batch);
        long warmup = Math.Min(100, steps / 10);
        long decay = Math.Max(1, steps - warmup);
        GradScalerOptions? scaler =
            settings.InitialScale is { } scale ? new GradScalerOptions { InitialScale = scale }
            : Precision.NeedsLossScale ? new GradScalerOptions()
            : null;
        return new TrainerOptions
        {
            Epochs = settings.Epochs,
            Steps = settings.Steps,
            TargetAccuracy = settings.ToAccuracy,
            Batch = settings.Batch,
            Seed = settings.Seed,
            Optimizer = settings.OptimizerOptions,
            Schedule = LearningRateSchedule.LinearWarmup(warmup, LearningRateSchedule.Cosine(decay, floor: 0.1)),
            Precision = Precision,
            Scaler = scaler is null ? null : scaler with { MaximumConsecutiveSkips = MostSkipsInARow },
            ClipNorm = settings.Clip,
            OnNonFiniteLoss = settings.OnNan,
            CheckpointFolder = settings.Checkpoint,
            CheckpointEvery = settings.Every ?? (settings.Model == ModelKind.Gpt ? 100 : 0),
            Resume = settings.Resume,
            Facts = new OrderedDictionary<string, string>
            {
                [ModelFact.Name] = ModelFact.Of(settings.Model, settings.Gpt),
                ["schedule"] = $"warm-up of {warmup} steps, then a cosine of {decay} to a tenth",
                ["loss_scale"] = scaler is null
                    ? "none"
                    : string.Create(CultureInfo.InvariantCulture, $"from {scaler.InitialScale}"),
            },
            AcceptedChanges = settings.GivenFacts,
            Random = random,
            // The profile is of whole steps.
            WaitsForEachStep = settings.Profile,
            CaptureSteps = settings.NoGraph ? false : null,
        };
    }

    private static void Attach(
        Trainer trainer,
        ITrainProgress progress,
        MetricsWriter? metrics,
        ProfileReport? profile,
        MemoryWatch memory,
        OutputGuard outputs
    )
    {
        trainer.StepCompleted += (_, step) =>
        {
            memory.StepDone();
            outputs.Write(() => progress.Step(step));
            outputs.Write(() => metrics?.Write(step));
            profile?.Step(step);
        };
        trainer.EpochCompleted += (_, epoch) =>
            outputs.Write(() =>
                progress.Note(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"epoch {epoch.Epoch}: mean loss {epoch.MeanLoss:0.0000}"
                    ) + (epoch.TestAccuracy is { } accuracy ? $", test accuracy {Percentage.Fine(accuracy)}" : "")
                )
            );
        trainer.EpochCompleted += (_, _) => memory.EpochDone();
        trainer.Resuming += (_, checkpoint) =>
        {
            outputs.Write(() => progress.Note(checkpoint.Message));
            if (checkpoint.Step is { } step)
                metrics?.GoOnAfter(step);
        };
    }

    private static void Attach(Trainer trainer, TrainTelemetry? telemetry)
    {
        if (telemetry is null)
            return;
        long last = 0;
        trainer.StepCompleted += (_, step) =>
        {
            telemetry.StepDone(step);
            last = step.TotalSteps;
        };
        trainer.EpochCompleted += (_, epoch) => telemetry.EpochDone(epoch.Step == last);
    }

    private string Introduction(TrainTask task, Device device)
    {
        DeviceInfo info = device.Info;
        string threads = info.Kind == DeviceKind.Cpu ? $"{info.Threads} threads, " : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{settings.Model.ToString().ToLowerInvariant()}, {task.Model.ParameterCount():N0} parameters, "
                + $"{Classes(task)}{Name(settings.Precision)}, {Masters()}"
                + $"{info.Name} ({threads}{info.Libraries})"
        );
    }

    private string Masters() =>
        settings.Masters switch
        {
            MasterFormat.Remainder => "masters as remainders, ",
            MasterFormat.None => $"no masters ({settings.WeightRounding.ToString().ToLowerInvariant()} rounding), ",
            _ => "",
        };

    // Facts of the files that are not the usual ones.
    private static string Classes(TrainTask task) =>
        task.Train is not ImageDataset images || images is { Classes: 10, FirstLabel: 0 }
            ? ""
            : $"{images.Classes} classes{(images.FirstLabel == 0 ? "" : $" labeled from {images.FirstLabel}")}, ";

    private TrainSummary Summarise(TrainingResult result, Device device, MemoryWatch memory)
    {
        DeviceInfo info = device.Info;
        return new TrainSummary
        {
            SamplesPerSecond = MetricsWriter.Finite(Math.Round(result.SamplesPerSecond, 2)),
            MedianStepMilliseconds = MetricsWriter.Finite(Math.Round(result.MedianStepMilliseconds, 4)),
            TestAccuracy = result.TestAccuracy,
            ReachedAccuracy = settings.ToAccuracy is null ? null : result.ReachedTarget,
            FinalLoss = MetricsWriter.Finite(result.FinalLoss),
            Skipped = result.SkippedSteps,
            FinalScale = result.FinalScale,
            Memory = memory.Step,
            PeakBytes = memory.Peaks(),
            Precision = Name(settings.Precision),
            Device = info.Kind.ToString().ToLowerInvariant(),
            DeviceName = $"{info.Name} ({info.Libraries})",
            Threads = info.Threads,
            Steps = result.Steps,
            Interrupted = result.Interrupted,
        };
    }

    private static string Name(PrecisionKind precision) => precision.ToString().ToLowerInvariant();
}
