namespace NativeAmp.Training.Data;

/// <summary>
/// One minibatch in host memory. Its arrays are used again for a later batch: a loader's batch is good until the next one is asked for.
/// </summary>
public sealed class Batch
{
    private readonly float[] _features;
    private readonly int[] _tokens;
    private readonly int[] _targets;

    /// <summary>Makes room for a batch of a data set.</summary>
    /// <param name="data">What it will be filled from.</param>
    /// <param name="capacity">Most samples that it holds.</param>
    public Batch(IDataset data, int capacity)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        Data = data;
        Capacity = capacity;
        _features = new float[checked(capacity * data.FeaturesPerSample)];
        _tokens = new int[checked(capacity * data.TokensPerSample)];
        _targets = new int[checked(capacity * data.TargetsPerSample)];
    }

    /// <summary>The data set that it is filled from.</summary>
    public IDataset Data { get; }

    /// <summary>Most samples that it holds.</summary>
    public int Capacity { get; }

    /// <summary>Samples in it.</summary>
    public int Count { get; internal set; }

    /// <summary>Where the run stands once this batch is used.</summary>
    public DataPosition Next { get; internal set; }

    /// <summary>Float inputs, sample by sample: normalized pixels. Empty for text.</summary>
    public Span<float> Features => _features.AsSpan(0, Count * Data.FeaturesPerSample);

    /// <summary>Integer inputs, sample by sample: token ids. Empty for images.</summary>
    public Span<int> Tokens => _tokens.AsSpan(0, Count * Data.TokensPerSample);

    /// <summary>What is to be predicted, sample by sample: class or token ids.</summary>
    public Span<int> Targets => _targets.AsSpan(0, Count * Data.TargetsPerSample);

    /// <summary>Fills it with the samples of these indices.</summary>
    internal void Fill(ReadOnlySpan<long> indices, long epoch, DataPosition next)
    {
        Count = indices.Length;
        Next = next;
        for (int i = 0; i < indices.Length; i++)
            Data.Fill(indices[i], epoch,
                _features.AsSpan(i * Data.FeaturesPerSample, Data.FeaturesPerSample),
                _tokens.AsSpan(i * Data.TokensPerSample, Data.TokensPerSample),
                _targets.AsSpan(i * Data.TargetsPerSample, Data.TargetsPerSample));
    }
}
