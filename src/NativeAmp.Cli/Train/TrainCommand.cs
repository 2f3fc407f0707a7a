using System.CommandLine;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Train;

/// <summary>nativeamp train: the options, their defaults and their help.</summary>
internal sealed class TrainCommand
{
    private readonly Option<string> _model = CommonOptions.OneOf("--model", "cnn", "What to train.", "cnn", "gpt", "mlp");
    private readonly Option<string?> _data = new("--data")
    {
        Description = "fashion-mnist (the default), or a folder of MNIST's four IDX files, for cnn and mlp; a text file for gpt.",
        HelpName = "fashion-mnist|DIR|FILE",
    };

    private readonly Option<string> _precision = CommonOptions.OneOf("--precision", "fp16",
        "What to compute in; parameters, loss and optimizer stay float32.", "fp32", "fp16", "bf16");

    private readonly Option<int?> _epochs = Number<int?>("--epochs", "Passes over the data [default: 3 for cnn and mlp].");
    private readonly Option<long?> _steps = Number<long?>("--steps", "Steps, instead of epochs [default: 300 for gpt].");
    private readonly Option<int?> _batch = Number<int?>("--batch", "Samples of a step [default: 128, gpt 16].");
    private readonly Option<double?> _lr = Number<double?>("--lr", "Peak learning rate of AdamW, after a warm-up and before a cosine decay [default: 2.5e-3 for cnn, 1e-3 otherwise].");
    private readonly Option<double> _clip = Number("--clip", 1.0, "Clip gradients to this norm; 0 for none.");
    private readonly Option<float?> _initScale = Number<float?>("--init-scale", "Loss scale to begin with [default: 65536 in fp16, none otherwise].");
    private readonly Option<ulong> _seed = Number("--seed", 1UL, "Seed of initial weights, shuffle and sample.");
    private readonly Option<int> _threads = CommonOptions.Threads();
    private readonly Option<string> _device = CommonOptions.Device();
    private readonly Option<string?> _metrics = new("--metrics") { Description = "Write a JSON object for each step, then a summary.", HelpName = "FILE.jsonl" };
    private readonly Option<string?> _checkpoint = new("--checkpoint") { Description = "Keep the newest checkpoints in this folder.", HelpName = "DIR" };
    private readonly Option<long?> _every = Number<long?>("--every", "Steps from one checkpoint to the next [default: once an epoch, gpt 100].");
    private readonly Option<bool> _resume = new("--resume")
    {
        Description = "Go on from the newest intact checkpoint; begin anew if there is none.",
    };

    private readonly Option<bool> _profile = new("--profile")
    {
        Description = "Show where the time of the steps after the second goes, by function of the native library.",
    };

    private readonly Option<int> _context = Number("--context", 128, "gpt: bytes that it sees.");
    private readonly Option<int> _width = Number("--width", 256, "gpt: width of the model.");
    private readonly Option<int> _heads = Number("--heads", 8, "gpt: heads of each attention.");
    private readonly Option<int> _blocks = Number("--blocks", 4, "gpt: transformer blocks.");
    private readonly Option<double> _temperature = Number("--temperature", 0.8, "gpt: of the sample; 0 takes the likeliest byte.");
    private readonly Option<int> _sample = Number("--sample", 200, "gpt: bytes of the sample after training; 0 for none.");
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new("train", "Train a network in mixed precision.")
        {
            _model, _data, _precision, _epochs, _steps, _batch, _lr, _clip, _initScale, _seed, _threads, _device, _metrics, _checkpoint, _every,
            _resume, _profile, _context, _width, _heads, _blocks, _temperature, _sample, _json,
        };
        command.SetAction(parsed => new TrainRun(Settings(parsed), terminal, parsed.GetValue(_json)).Run());
        return command;
    }

    /// <summary>The settings that the arguments mean.</summary>
    /// <exception cref="UsageException">They make no sense together.</exception>
    public TrainSettings Settings(ParseResult parsed)
    {
        ModelKind model = Enum.Parse<ModelKind>(parsed.GetValue(_model)!, ignoreCase: true);
        bool gpt = model == ModelKind.Gpt;
        int? epochs = parsed.GetValue(_epochs);
        long? steps = parsed.GetValue(_steps);
        return new TrainSettings
        {
            Model = model,
            Data = parsed.GetValue(_data) is "fashion-mnist" && !gpt ? null : parsed.GetValue(_data),
            Precision = Enum.Parse<PrecisionKind>(parsed.GetValue(_precision)!, ignoreCase: true),
            Epochs = epochs ?? (gpt || steps is not null ? null : 3),
            Steps = steps ?? (gpt && epochs is null ? 300 : null),
            Batch = parsed.GetValue(_batch) ?? (gpt ? 16 : 128),
            LearningRate = parsed.GetValue(_lr) ?? (model == ModelKind.Cnn ? 2.5e-3 : 1e-3),
            Clip = parsed.GetValue(_clip),
            InitialScale = parsed.GetValue(_initScale),
            Seed = parsed.GetValue(_seed),
            Threads = parsed.GetValue(_threads),
            Device = Enum.Parse<DeviceChoice>(parsed.GetValue(_device)!, ignoreCase: true),
            Metrics = parsed.GetValue(_metrics),
            Checkpoint = parsed.GetValue(_checkpoint),
            Every = parsed.GetValue(_every),
            Resume = parsed.GetValue(_resume),
            Profile = parsed.GetValue(_profile),
            Gpt = new GptSize(parsed.GetValue(_context), parsed.GetValue(_width), parsed.GetValue(_heads), parsed.GetValue(_blocks)),
            Temperature = parsed.GetValue(_temperature),
            SampleLength = parsed.GetValue(_sample),
        }.Check();
    }

    private static Option<T> Number<T>(string name, string description) => new(name) { Description = description, HelpName = "N" };

    private static Option<T> Number<T>(string name, T fallback, string description) =>
        new(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => fallback };
}
