using System.CommandLine;
using System.Globalization;
using NativeAmp.Cli.Networks;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Training;
using NativeAmp.Training.Data;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Cli.Quantize;

/// <summary>The options of quantize --fine-tune, and its training with the rounding in the forward pass.</summary>
internal sealed class FineTuning
{
    private const double DefaultLearningRate = 1e-4;

    /// <summary>Steps of training; none without the option.</summary>
    public Option<long?> Steps { get; } =
        NumberOption.Whole(
            "--fine-tune",
            1L,
            long.MaxValue,
            "Train on for N steps before, by AdamW in float32 on the data of --calibrate, with the integers' rounding in the "
                + "forward pass (--method rtn)."
        );

    /// <summary>Samples of a step.</summary>
    public Option<int?> Batch { get; } =
        NumberOption.Whole("--batch", 1, int.MaxValue, "--fine-tune: samples of a step [default: 128, gpt 16].");

    /// <summary>The first learning rate.</summary>
    public Option<double?> LearningRate { get; } =
        NumberOption.Real(
            "--lr",
            new RealRange(1e-30, 1e6, "a number from 1e-30 to 1e6"),
            "--fine-tune: learning rate, which a cosine takes to a tenth [default: 1e-4]."
        );

    /// <summary>The seed of the order of samples.</summary>
    public Option<ulong?> Seed { get; } =
        NumberOption.Whole("--seed", 0UL, ulong.MaxValue, "--fine-tune: seed of the shuffle [default: 1].");

    /// <summary>Whether there is to be training. Options that need it are refused without it.</summary>
    public bool IsAsked(ParseResult parsed, QuantizationScheme scheme)
    {
        if (parsed.GetValue(Steps) is not null)
            return scheme.Method == QuantizationMethod.Rtn
                ? true
                : throw new UsageException("--fine-tune rounds to nearest at every step: it needs --method rtn.");
        foreach (Option option in (Option[])[Batch, LearningRate, Seed])
        {
            if (parsed.GetResult(option) is { Implicit: false })
                throw new UsageException($"{option.Name} needs --fine-tune.");
        }
        return false;
    }

    /// <summary>Trains, and quantises the model.</summary>
    /// <returns>The report, and the loss of the last step; null if it was interrupted.</returns>
    public (QuantizationReport Report, float Loss)? Run(
        ParseResult parsed,
        NetworkFile file,
        QuantizationScheme scheme,
        Action<Module>? calibrate,
        IDataset data,
        Device device,
        ITrainProgress progress
    )
    {
        int batch = parsed.GetValue(Batch) ?? (file.Kind == ModelKind.Gpt ? 16 : 128);
        if (batch > data.Count)
            throw new UsageException($"--batch is {batch}, but the data has only {data.Count} samples.");
        long steps = parsed.GetValue(Steps)!.Value;
        ulong seed = parsed.GetValue(Seed) ?? 1;
        using QuantizationAware aware = QuantizeCommand.OrUsage(() =>
            new QuantizationAware(file.Model, scheme, calibrate)
        );
        var options = new TrainerOptions
        {
            Steps = steps,
            Batch = batch,
            Seed = seed,
            Optimizer = new AdamOptions { LearningRate = parsed.GetValue(LearningRate) ?? DefaultLearningRate },
            Schedule = LearningRateSchedule.Cosine(steps, floor: 0.1),
            Random = new RandomGenerator(seed),
            CaptureSteps = false, // the host rounds at each of them
        };
        TrainingResult result;
        using (var trainer = new Trainer(file.Model, data, test: null, device, options))
        {
            trainer.StepCompleted += (_, step) => progress.Step(step);
            using var stop = new CancellationTokenSource();
            using var signals = new StopSignals(stop);
            result = trainer.Run(stop.Token);
        }
        if (result.Interrupted)
            return null;
        file.Model.Eval();
        progress.Note(
            string.Create(
                CultureInfo.InvariantCulture,
                $"fine-tuned {steps} steps, last loss {result.FinalLoss:0.0000}"
            )
        );
        return (QuantizeCommand.OrUsage(aware.Finish), result.FinalLoss);
    }
}
