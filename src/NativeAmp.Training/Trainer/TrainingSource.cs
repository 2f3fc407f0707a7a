using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>The samples of a trainer: a data set in a shuffled order, or a stream as it comes.</summary>
internal sealed class TrainingSource
{
    // Nobody knows where a stream ends. A limit, so that counting on does not overflow.
    private const long WithoutEnd = long.MaxValue / 2;

    private readonly SampleStream? _stream;

    public TrainingSource(IDataset data)
    {
        Data = data;
        (Fields, Samples) = (data.Fields, data.Count);
    }

    public TrainingSource(SampleStream stream)
    {
        _stream = stream;
        (Fields, Samples) = (stream.Fields, WithoutEnd);
    }

    /// <summary>The data set; null for a stream.</summary>
    public IDataset? Data { get; }

    /// <summary>The fields of a sample.</summary>
    public IReadOnlyList<DataField> Fields { get; }

    /// <summary>Samples of a pass; for a stream more than there will ever be.</summary>
    public long Samples { get; }

    /// <summary>Throws unless a run with these options can take its samples from here.</summary>
    public void Check(TrainerOptions options)
    {
        if (Data is null && options.Steps is null)
            throw new ArgumentException(
                $"A stream has no passes: give {nameof(TrainerOptions.Steps)} instead of "
                    + $"{nameof(TrainerOptions.Epochs)}. The run ends earlier if the stream does."
            );
        if (Data is null && options.Inspector is not null)
            throw new ArgumentException(
                $"An {nameof(TrainerOptions.Inspector)} names samples by their index, and those of a stream have none: "
                    + "train on a data set to inspect steps."
            );
        if (BatchLoader.CountBatches(Samples, options.SamplesOfAStep, options.DropLast) == 0)
            throw new ArgumentException(
                $"The data set has {Samples} samples, fewer than one batch of {options.SamplesOfAStep}; take a smaller "
                    + "batch."
            );
    }

    /// <summary>Total number of steps of a run.</summary>
    public long CountSteps(TrainerOptions options) =>
        options.Steps
        ?? options.Epochs!.Value * BatchLoader.CountBatches(Samples, options.SamplesOfAStep, options.DropLast);

    /// <summary>Whether a pass has no further batch.</summary>
    public bool IsEnd(DataPosition position, TrainerOptions options) =>
        position.Sample + (options.DropLast ? options.SamplesOfAStep : 1) > Samples;

    /// <summary>Begins to prepare the batches of steps.</summary>
    public IBatchSource Open(TrainerOptions options, DataPosition start, int ahead) =>
        _stream is not null
            ? _stream.Open(options.SamplesOfAStep, start, ahead, options.DropLast)
            : new BatchLoader(Data!, options.SamplesOfAStep, options.Seed, start, ahead, options.DropLast);
}
