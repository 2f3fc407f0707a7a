using NativeAmp.Cli.Output;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>Networks that the command trains.</summary>
internal enum ModelKind
{
    Cnn,
    Gpt,
    Mlp,
}

/// <summary>Sizes of the language model, and its GELU.</summary>
internal sealed record GptSize(int Context, int Width, int Heads, int Blocks, bool TanhGelu = false)
{
    /// <summary>Largest context that a command or a file may ask for.</summary>
    public const int MostContext = 1 << 20;

    /// <summary>Largest width, and most heads.</summary>
    public const int MostWidth = 1 << 14;

    /// <summary>Most blocks.</summary>
    public const int MostBlocks = 1 << 12;

    /// <summary>The options of such a model over bytes.</summary>
    public GptOptions Options =>
        new()
        {
            Context = Context,
            Width = Width,
            Heads = Heads,
            Blocks = Blocks,
            Activation = TanhGelu ? Activation.GeluTanh : Activation.Gelu,
        };
}

/// <summary>The settings of a run: the command line's options after defaults and checks.</summary>
internal sealed record TrainSettings
{
    /// <summary>The name of standard input for --data.</summary>
    public const string StandardInput = "-";

    public required ModelKind Model { get; init; }

    /// <summary>A text file for gpt; null or a folder of IDX files for images.</summary>
    public string? Data { get; init; }

    /// <summary>Classes of the images; null to take them from the labels.</summary>
    public int? Classes { get; init; }

    public required PrecisionKind Precision { get; init; }

    public int? Epochs { get; init; }

    public long? Steps { get; init; }

    /// <summary>Test accuracy, from 0 to 1, at which the run ends; null for none.</summary>
    public double? ToAccuracy { get; init; }

    public required int Batch { get; init; }

    /// <summary>Name of an <see cref="OptimizerChoice"/>.</summary>
    public required string Optimizer { get; init; }

    /// <summary>The optimizer's hyperparameters.</summary>
    public OptimizerOptions OptimizerOptions =>
        OptimizerChoice.Find(Optimizer)!.Options(LearningRate, WeightDecay) with
        {
            StateFormat = OptimizerState,
            MasterFormat = Masters ?? MasterFormat.Remainder,
            WeightRounding = WeightRounding,
            RoundingSeed = Seed,
        };

    /// <summary>The type of the parameters that the model computes with as they are.</summary>
    public DType ParameterType => Masters is null ? DType.Float32 : Precision.ComputeType();

    /// <summary>How the masters of half-precision parameters are kept; null for float32 parameters.</summary>
    public MasterFormat? Masters { get; init; }

    /// <summary>How parameters without masters are rounded.</summary>
    public Rounding WeightRounding { get; init; }

    /// <summary>Whether parameters of the precision can be kept so.</summary>
    public bool MastersFit =>
        Masters switch
        {
            MasterFormat.Remainder => Precision == PrecisionKind.Bf16,
            MasterFormat.None => Precision != PrecisionKind.Fp32,
            null => WeightRounding == Rounding.NearestEven,
            _ => false,
        };

    /// <summary>How the optimizer keeps its state.</summary>
    public StateFormat OptimizerState { get; init; }

    public required double LearningRate { get; init; }

    /// <summary>Initial loss scale; null for the precision's own.</summary>
    public float? InitialScale { get; init; }

    public double WeightDecay { get; init; }

    /// <summary>Largest gradient norm; 0 for no clipping, infinity only to measure the norm.</summary>
    public float Clip { get; init; }

    public NonFiniteLoss OnNan { get; init; }

    public ulong Seed { get; init; }

    /// <summary>Number of CPU threads; 0 for the default (see <see cref="Device.Threads"/>).</summary>
    public int Threads { get; init; }

    public DeviceChoice Device { get; init; }

    public string? Metrics { get; init; }

    /// <summary>Folder for a TensorBoard event file.</summary>
    public string? TensorBoard { get; init; }

    public string? Telemetry { get; init; }

    /// <summary>Milliseconds from one line of telemetry to the next.</summary>
    public int TelemetryInterval { get; init; } = 1000;

    public string? Checkpoint { get; init; }

    public long? Every { get; init; }

    public bool Resume { get; init; }

    /// <summary>Facts of the run whose options were given. They may differ from the run that is resumed.</summary>
    public IReadOnlyList<string> GivenFacts { get; init; } = [];

    /// <summary>Whether a GPU's steps are taken call by call, not as launches of a graph.</summary>
    public bool NoGraph { get; init; }

    /// <summary>Whether to profile the run.</summary>
    public bool Profile { get; init; }

    /// <summary>Steps between inspected steps; null for no inspection.</summary>
    public long? Inspect { get; init; }

    /// <summary>File for inspections.</summary>
    public string? InspectOut { get; init; }

    public required GptSize Gpt { get; init; }

    public double Temperature { get; init; }

    public int SampleLength { get; init; }

    /// <summary>Checks that the options fit together. The parser checked each option's range.</summary>
    /// <exception cref="UsageException">They do not fit; the message says which and why.</exception>
    public TrainSettings Check()
    {
        Require(Epochs is null || Steps is null, "--epochs and --steps exclude each other: give one");
        Require(
            ToAccuracy is null || Steps is null,
            "--to-accuracy and --steps exclude each other: the accuracy is tested after each epoch, so take --epochs "
                + "for their largest number"
        );
        Require(
            ToAccuracy is null || Model != ModelKind.Gpt,
            "--to-accuracy needs images: --model gpt has no test set"
        );
        Require(Every is null || Checkpoint is not null, "--every needs --checkpoint DIR");
        Require(!Resume || Checkpoint is not null, "--resume needs --checkpoint DIR");
        Require(Gpt.Width % Gpt.Heads == 0, $"--width {Gpt.Width} is not a multiple of --heads {Gpt.Heads}");
        Require(
            Model != ModelKind.Gpt || Data is not null,
            "--model gpt needs --data FILE, any text, or - for the standard input"
        );
        Require(Model != ModelKind.Gpt || Classes is null, "--classes needs images: --model gpt predicts bytes");
        Require(
            Model == ModelKind.Gpt || Data is not StandardInput,
            "--data - is a text from the standard input, which --model gpt takes"
        );
        Require(
            Masters is null || Precision != PrecisionKind.Fp32,
            "--masters is of parameters in half precision, and in --precision fp32 they are float32: take bf16"
        );
        Require(
            Masters != MasterFormat.Remainder || MastersFit,
            "--masters remainder needs --precision bf16: a remainder is the 16 bits that bfloat16 lacks of float32, and "
                + "float16 is no part of that; --masters none takes fp16"
        );
        Require(InspectOut is null || Inspect is not null, "--inspect-out needs --inspect N");
        if (InspectOut is not null)
        {
            Require(
                !Same(InspectOut, Data),
                $"--inspect-out and --data both name {InspectOut}, which would be overwritten"
            );
            Require(!Same(InspectOut, Metrics), $"--inspect-out and --metrics both name {InspectOut}");
            Require(!Same(InspectOut, Telemetry), $"--inspect-out and --telemetry both name {InspectOut}");
            Require(
                !Same(InspectOut, Checkpoint),
                $"--inspect-out and --checkpoint both name {InspectOut}: one is a file, the other a folder"
            );
        }

        if (Metrics is not null)
        {
            Require(!Same(Metrics, Data), $"--metrics and --data both name {Metrics}, which would be overwritten");
            Require(
                !Same(Metrics, Checkpoint),
                $"--metrics and --checkpoint both name {Metrics}: one is a file, the other a folder"
            );
        }

        if (Telemetry is not null)
        {
            Require(
                !Same(Telemetry, Data),
                $"--telemetry and --data both name {Telemetry}, which would be overwritten"
            );
            Require(
                !Same(Telemetry, Checkpoint),
                $"--telemetry and --checkpoint both name {Telemetry}: one is a file, the other a folder"
            );
            Require(!Same(Telemetry, Metrics), $"--telemetry and --metrics both name {Telemetry}: they are two files");
        }

        return this;
    }

    private static bool Same(string path, string? other) =>
        other is not null
        && Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))
            == Path.TrimEndingDirectorySeparator(Path.GetFullPath(other));

    private static void Require(bool holds, string message)
    {
        if (!holds)
            throw new UsageException(message + ".");
    }
}
