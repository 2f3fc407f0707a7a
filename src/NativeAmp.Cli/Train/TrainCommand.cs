using System.CommandLine;
using NativeAmp.Cli.Inspect;
using NativeAmp.Cli.Output;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>nativeamp train: the options, their defaults and their help.</summary>
internal sealed class TrainCommand
{
    private readonly Option<string> _model = CommonOptions.OneOf(
        "--model",
        "cnn",
        "Network to train.",
        "cnn",
        "gpt",
        "mlp"
    );
    private readonly Option<string?> _data = CommonOptions.Path(
        "--data",
        "fashion-mnist|DIR|FILE",
        "fashion-mnist (the default), or a folder of the four IDX files of MNIST's family (KMNIST, EMNIST, QMNIST, "
            + "…), for cnn and mlp; a text file, or - for the "
            + "standard input, for gpt."
    );

    private readonly Option<int?> _classes = NumberOption.Whole(
        "--classes",
        2,
        256,
        "Classes of the images [default: from the labels, at least 10]."
    );

    private readonly Option<string> _precision = CommonOptions.OneOf(
        "--precision",
        "fp16",
        "Precision to compute in; loss and optimizer stay float32, and parameters but for --masters.",
        "fp32",
        "fp16",
        "bf16"
    );

    private readonly Option<int?> _epochs = NumberOption.Whole(
        "--epochs",
        1,
        int.MaxValue,
        "Passes over the data [default: 3 for cnn and mlp]."
    );
    private readonly Option<long?> _steps = NumberOption.Whole(
        "--steps",
        1L,
        long.MaxValue,
        "Steps, instead of epochs [default: 300 for gpt]."
    );
    private readonly Option<double?> _toAccuracy = NumberOption.Real(
        "--to-accuracy",
        new RealRange(1e-6, 1, "a share above 0, at most 1"),
        "End after the first epoch whose test accuracy is this or more, as 0.9; --epochs is then their largest number "
            + "[default: 20]."
    );

    private readonly Option<int?> _batch = NumberOption.Whole(
        "--batch",
        1,
        int.MaxValue,
        "Samples of a step [default: 128, gpt 16]."
    );
    private readonly Option<string> _optimizer = CommonOptions.OneOf(
        "--optimizer",
        OptimizerChoice.All[0].Name,
        $"How parameters are updated ({OptimizerChoice.Help}).",
        [.. OptimizerChoice.All.Select(choice => choice.Name)]
    );

    private readonly OptimizerFormatOptions _formats = new();

    private readonly Option<double?> _lr = NumberOption.Real(
        "--lr",
        new RealRange(1e-30, 1e6, "a number from 1e-30 to 1e6"),
        "Peak learning rate, after a warm-up and before a cosine decay [default: 2.5e-3 for cnn, 1e-3 otherwise; see "
            + "--optimizer]."
    );

    private readonly Option<double?> _weightDecay = NumberOption.Real(
        "--weight-decay",
        new RealRange(1e-30, 100, "a number from 1e-30 to 100, or 0 for none", Zero: true),
        "Weight decay [default: see --optimizer]."
    );

    // Normal float32 numbers: the norm is compared in float32.
    private readonly Option<double> _clip = NumberOption.Real(
        "--clip",
        1.0,
        new RealRange(
            1.18e-38,
            3.4e38,
            "a norm from 1.18e-38 to 3.4e38, inf to measure it without clipping, or 0 for none",
            Zero: true,
            Infinity: true
        ),
        "Clip gradients to this norm; inf only measures it, 0 is none."
    );

    // The floor and the ceiling of a scale, whose inverse is a normal float32 number as well.
    private readonly Option<double?> _initScale = NumberOption.Real(
        "--init-scale",
        new RealRange(1.18e-38, 8.5e37, "a number from 1.18e-38 to 8.5e37"),
        "Loss scale to begin with [default: 65536 in fp16, none otherwise]."
    );

    private readonly Option<string> _onNan = CommonOptions.OneOf(
        "--on-nan",
        "stop",
        "If the loss is not finite: stop with exit code 1, skip the batch, or go on.",
        "stop",
        "skip",
        "go-on"
    );

    private readonly Option<ulong> _seed = NumberOption.Whole(
        "--seed",
        1UL,
        0UL,
        ulong.MaxValue,
        "Seed of initial weights, shuffle and sample."
    );
    private readonly Option<int> _threads = CommonOptions.Threads();
    private readonly Option<string> _device = CommonOptions.Device();
    private readonly Option<string?> _metrics = CommonOptions.Path(
        "--metrics",
        "FILE.jsonl",
        "Write a JSON object for each step, then a summary."
    );
    private readonly Option<string?> _tensorBoard = CommonOptions.Path(
        "--tensorboard",
        "DIR",
        "Write the metrics of steps and epochs to a new event file in this folder, for tensorboard --logdir DIR."
    );
    private readonly Option<string?> _telemetry = CommonOptions.Path(
        "--telemetry",
        "FILE.jsonl",
        "Sample power, memory, utilization and temperature during the run, one JSON object per line, and report the energy "
            + "per sample."
    );

    private readonly Option<int> _telemetryInterval = NumberOption.Whole(
        "--telemetry-interval",
        1000,
        10,
        60_000,
        "Milliseconds from one line of --telemetry to the next, 10 to 60000."
    );

    private readonly Option<string?> _checkpoint = CommonOptions.Path(
        "--checkpoint",
        "DIR",
        "Keep the newest checkpoints in this folder."
    );
    private readonly Option<long?> _every = NumberOption.Whole(
        "--every",
        1L,
        long.MaxValue,
        "Steps from one checkpoint to the next [default: once an epoch, gpt 100]."
    );

    private readonly Option<bool> _resume = new("--resume")
    {
        Description =
            "Resume from the newest intact checkpoint, or begin anew if there is none. --steps, --epochs, --lr, "
            + "--weight-decay, --clip, --optimizer-state and --masters may change if they are given; "
            + "otherwise they must be as before.",
    };

    private readonly Option<bool> _noGraph = new("--no-graph")
    {
        Description =
            "GPU: take each step call by call. Without this, the steps after the first two are launches of a graph.",
    };

    private readonly Option<bool> _profile = new("--profile")
    {
        Description =
            "Show the time of the steps after the second, by function of the native library. On a GPU each call then "
            + "waits until the device is done, so that its time is the device's; the steps take longer.",
    };

    private readonly Option<long?> _inspect = NumberOption.Whole(
        "--inspect",
        1L,
        long.MaxValue,
        "Every N steps show which activations, gradients and parameters overflow, become zero or subnormal; "
            + "if a step fails, show the first overflow."
    );

    private readonly Option<string?> _inspectOut = CommonOptions.Path(
        "--inspect-out",
        "FILE.jsonl",
        "Write the findings of --inspect with histograms, and beside them a file for --replay of each failed step (the "
            + "newest three)."
    );

    private readonly Option<string?> _replay = CommonOptions.Path(
        "--replay",
        "FILE",
        "Run a failed step of --inspect-out again, and show every activation and gradient. Takes --data, --device, "
            + "--threads and --json."
    );

    private readonly GptSizeOptions _gpt = new("gpt");
    private readonly Option<string> _gelu = GptSizeOptions.Gelu(
        "gpt: GELU by the error function, or the tanh approximation, which llama.cpp computes."
    );
    private readonly Option<double> _temperature = NumberOption.Real(
        "--temperature",
        0.8,
        new RealRange(1e-6, 1e6, "a number from 1e-6 to 1e6, or 0 for the likeliest byte", Zero: true),
        "gpt: temperature of the sample; 0 takes the likeliest byte."
    );

    private readonly Option<int> _sample = NumberOption.Whole(
        "--sample",
        200,
        0,
        1_000_000,
        "gpt: bytes of the sample after training; 0 for none."
    );
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>Options that a study takes and passes on to each of its runs.</summary>
    public IReadOnlyList<Option> OfAStudy =>
        [
            _data,
            _classes,
            _epochs,
            _steps,
            _toAccuracy,
            _optimizer,
            _formats.State,
            _formats.Masters,
            _formats.WeightRounding,
            _lr,
            _weightDecay,
            _clip,
            _initScale,
            _onNan,
            _threads,
            _device,
            _noGraph,
            _gpt.Context,
            _gpt.Width,
            _gpt.Heads,
            _gpt.Blocks,
            _gelu,
        ];

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new("train", "Train a network in mixed precision.")
        {
            _model,
            _data,
            _classes,
            _precision,
            _epochs,
            _steps,
            _toAccuracy,
            _batch,
            _optimizer,
            _formats.State,
            _formats.Masters,
            _formats.WeightRounding,
            _lr,
            _weightDecay,
            _clip,
            _initScale,
            _onNan,
            _seed,
            _threads,
            _device,
            _metrics,
            _tensorBoard,
            _telemetry,
            _telemetryInterval,
            _checkpoint,
            _every,
            _resume,
            _noGraph,
            _profile,
            _inspect,
            _inspectOut,
            _replay,
            _gpt.Context,
            _gpt.Width,
            _gpt.Heads,
            _gpt.Blocks,
            _gelu,
            _temperature,
            _sample,
            _json,
        };
        command.SetAction(parsed =>
            parsed.GetValue(_replay) is { } file
                ? Replay(file, command, parsed, terminal)
                : new TrainRun(Settings(parsed), terminal, parsed.GetValue(_json)).Run()
        );
        return command;
    }

    private int Replay(string file, Command command, ParseResult parsed, Terminal terminal)
    {
        Option[] taken = [_replay, _data, _device, _threads, _json];
        if (
            command.Options.Except(taken).FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false }) is
            { } other
        )
            throw new UsageException($"{other.Name} cannot be given with --replay: the file has the run's settings.");
        return new ReplayRun(file, Settings(parsed), terminal, parsed.GetValue(_json)).Run();
    }

    /// <summary>The settings from the arguments.</summary>
    /// <exception cref="UsageException">They are not valid together.</exception>
    public TrainSettings Settings(ParseResult parsed)
    {
        ModelKind model = Enum.Parse<ModelKind>(parsed.GetValue(_model)!, ignoreCase: true);
        bool gpt = model == ModelKind.Gpt;
        int? epochs = parsed.GetValue(_epochs);
        long? steps = parsed.GetValue(_steps);
        OptimizerChoice optimizer = OptimizerChoice.Find(parsed.GetValue(_optimizer)!)!;
        var settings = new TrainSettings
        {
            Model = model,
            Data = parsed.GetValue(_data) is "fashion-mnist" && !gpt ? null : parsed.GetValue(_data),
            Classes = parsed.GetValue(_classes),
            Precision = Enum.Parse<PrecisionKind>(parsed.GetValue(_precision)!, ignoreCase: true),
            Epochs =
                epochs
                ?? (
                    gpt || steps is not null ? null
                    : parsed.GetValue(_toAccuracy) is null ? 3
                    : 20
                ),
            Steps = steps ?? (gpt && epochs is null ? 300 : null),
            ToAccuracy = parsed.GetValue(_toAccuracy),
            Batch = parsed.GetValue(_batch) ?? (gpt ? 16 : 128),
            Optimizer = optimizer.Name,
            LearningRate = parsed.GetValue(_lr) ?? optimizer.Rate(model == ModelKind.Cnn ? 2.5e-3 : 1e-3),
            WeightDecay = parsed.GetValue(_weightDecay) ?? optimizer.WeightDecay,
            Clip = (float)parsed.GetValue(_clip),
            InitialScale = (float?)parsed.GetValue(_initScale),
            OnNan = parsed.GetValue(_onNan) switch
            {
                "skip" => NonFiniteLoss.Skip,
                "go-on" => NonFiniteLoss.GoOn,
                _ => NonFiniteLoss.Stop,
            },
            Seed = parsed.GetValue(_seed),
            Threads = parsed.GetValue(_threads),
            Device = Enum.Parse<DeviceChoice>(parsed.GetValue(_device)!, ignoreCase: true),
            Metrics = parsed.GetValue(_metrics),
            TensorBoard = parsed.GetValue(_tensorBoard),
            Telemetry = parsed.GetValue(_telemetry),
            TelemetryInterval = parsed.GetValue(_telemetryInterval),
            Checkpoint = parsed.GetValue(_checkpoint),
            Every = parsed.GetValue(_every),
            Resume = parsed.GetValue(_resume),
            GivenFacts =
            [
                .. Given(_steps, "steps", "schedule"),
                .. Given(_epochs, "steps", "schedule"),
                .. Given(_lr, "learning_rate"),
                .. Given(_weightDecay, "weight_decay"),
                .. Given(_clip, "clip_norm"),
                .. Given(_optimizer, "hyperparameters"),
                .. Given(_formats.State, "optimizer_state"),
                .. Given(_formats.Masters, "masters"),
                .. Given(_formats.WeightRounding, "masters"),
            ],
            NoGraph = parsed.GetValue(_noGraph),
            Profile = parsed.GetValue(_profile),
            Inspect = parsed.GetValue(_inspect),
            InspectOut = parsed.GetValue(_inspectOut),
            Gpt = _gpt.Of(parsed) with { TanhGelu = parsed.GetValue(_gelu) == GptSizeOptions.Tanh },
            Temperature = parsed.GetValue(_temperature),
            SampleLength = parsed.GetValue(_sample),
        };
        return _formats.Apply(settings, parsed).Check();

        string[] Given(Option option, params string[] facts) =>
            parsed.GetResult(option) is { Implicit: false } ? facts : [];
    }
}
