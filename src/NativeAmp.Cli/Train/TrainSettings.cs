using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Train;

/// <summary>Networks that the command trains.</summary>
internal enum ModelKind
{
    Cnn,
    Gpt,
    Mlp,
}

/// <summary>Sizes of the language model.</summary>
internal sealed record GptSize(int Context, int Width, int Heads, int Blocks);

/// <summary>What is to be trained, and how: the command line's options after their defaults and checks.</summary>
internal sealed record TrainSettings
{
    public required ModelKind Model { get; init; }

    /// <summary>A text file for gpt; null or a folder of IDX files for images.</summary>
    public string? Data { get; init; }

    public required PrecisionKind Precision { get; init; }

    public int? Epochs { get; init; }

    public long? Steps { get; init; }

    public required int Batch { get; init; }

    public required double LearningRate { get; init; }

    /// <summary>Initial loss scale; null for the precision's own.</summary>
    public float? InitialScale { get; init; }

    public double Clip { get; init; }

    public ulong Seed { get; init; }

    /// <summary>0 for one a core.</summary>
    public int Threads { get; init; }

    public DeviceChoice Device { get; init; }

    public string? Metrics { get; init; }

    public string? Checkpoint { get; init; }

    public long? Every { get; init; }

    public bool Resume { get; init; }

    /// <summary>Whether to measure where the time goes.</summary>
    public bool Profile { get; init; }

    public required GptSize Gpt { get; init; }

    public double Temperature { get; init; }

    public int SampleLength { get; init; }

    /// <summary>Refuses what cannot be meant.</summary>
    /// <exception cref="UsageException">Says which option, and why.</exception>
    public TrainSettings Check()
    {
        Require(Epochs is null || Steps is null, "--epochs and --steps exclude each other: give one");
        Require(Epochs is null or > 0, $"--epochs is {Epochs}; it is at least 1");
        Require(Steps is null or > 0, $"--steps is {Steps}; it is at least 1");
        Require(Batch > 0, $"--batch is {Batch}; it is at least 1");
        Require(double.IsFinite(LearningRate) && LearningRate > 0, $"--lr is {LearningRate}; it is a number above 0");
        Require(InitialScale is null || (float.IsFinite(InitialScale.Value) && InitialScale > 0), $"--init-scale is {InitialScale}; it is a number above 0");
        Require(double.IsFinite(Clip) && Clip >= 0, $"--clip is {Clip}; it is a norm above 0, or 0 for none");
        Require(Every is null or > 0, $"--every is {Every}; it is at least 1");
        Require(Every is null || Checkpoint is not null, "--every needs --checkpoint DIR");
        Require(!Resume || Checkpoint is not null, "--resume needs --checkpoint DIR");
        Require(Gpt is { Context: > 0, Width: > 0, Heads: > 0, Blocks: > 0 }, "--context, --width, --heads and --blocks are at least 1");
        Require(Gpt.Width % Gpt.Heads == 0, $"--width {Gpt.Width} is not a multiple of --heads {Gpt.Heads}");
        Require(double.IsFinite(Temperature) && Temperature >= 0, $"--temperature is {Temperature}; it is 0 (the likeliest byte) or more");
        Require(SampleLength >= 0, $"--sample is {SampleLength}; it is 0 (none) or more");
        Require(Model != ModelKind.Gpt || Data is not null, "--model gpt needs --data FILE, any text");
        return this;
    }

    private static void Require(bool holds, string message)
    {
        if (!holds)
            throw new UsageException(message + ".");
    }
}
