namespace NativeAmp.Training.Data;

/// <summary>Some samples of another data set, such as a fold, or a part that is kept for tests.</summary>
public sealed class Subset : IDataset
{
    private readonly IDataset _data;
    private readonly long[] _indices;

    /// <summary>A part of a data set.</summary>
    /// <param name="data">The whole data set.</param>
    /// <param name="indices">The samples' indices in it, in the order of this part. One may appear several
    /// times.</param>
    /// <exception cref="ArgumentOutOfRangeException">The data set has no sample of such an index.</exception>
    public Subset(IDataset data, IEnumerable<long> indices)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(indices);
        _data = data;
        _indices = [.. indices];
        foreach (long index in _indices)
        {
            if (index < 0 || index >= data.Count)
                throw new ArgumentOutOfRangeException(
                    nameof(indices),
                    index,
                    $"The data set has samples 0 to {data.Count - 1}."
                );
        }
    }

    /// <inheritdoc/>
    public long Count => _indices.Length;

    /// <inheritdoc/>
    public IReadOnlyList<DataField> Fields => _data.Fields;

    /// <inheritdoc/>
    public void Fill(long index, long epoch, Sample sample)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)index, (ulong)Count, nameof(index));
        _data.Fill(_indices[index], epoch, sample);
    }
}
