namespace NativeAmp.Training.Data;

/// <summary>
/// One minibatch in host memory. Its arrays are reused: a loader's batch is valid until the next one is requested.
/// </summary>
public sealed class Batch
{
    // float[] or int[], by the field's type.
    private readonly Array[] _values;
    private readonly int[] _sizes;

    /// <summary>Allocates a batch of a data set.</summary>
    /// <param name="data">The data set to fill it from.</param>
    /// <param name="capacity">The largest number of samples.</param>
    /// <exception cref="ArgumentException">A field is neither float32 nor int32, or a batch of it does not fit in an
    /// array.</exception>
    public Batch(IDataset data, int capacity)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        Data = data;
        Capacity = capacity;
        _sizes = [.. data.Fields.Select(field => Size(field, capacity))];
        _values =
        [
            .. data.Fields.Select(
                (field, i) =>
                    field.DType == DType.Float32
                        ? (Array)new float[capacity * _sizes[i]]
                        : new int[capacity * _sizes[i]]
            ),
        ];
    }

    /// <summary>The data set that it is filled from.</summary>
    public IDataset Data { get; }

    /// <summary>The largest number of samples that it holds.</summary>
    public int Capacity { get; }

    /// <summary>Number of samples in it.</summary>
    public int Count { get; private set; }

    /// <summary>The position of the run after this batch.</summary>
    public DataPosition Next { get; private set; }

    /// <summary>A float32 field, sample by sample.</summary>
    /// <param name="field">Its index in <see cref="IDataset.Fields"/>.</param>
    /// <exception cref="ArgumentException">The field is int32.</exception>
    public Span<float> Floats(int field) => Part<float>(field, 0, Count);

    /// <summary>An int32 field, sample by sample.</summary>
    /// <param name="field">Its index in <see cref="IDataset.Fields"/>.</param>
    /// <exception cref="ArgumentException">The field is float32.</exception>
    public Span<int> Integers(int field) => Part<int>(field, 0, Count);

    /// <summary>Fills it with the samples of these indices.</summary>
    /// <param name="indices">Indices of the samples, at most <see cref="Capacity"/>.</param>
    /// <param name="epoch">The pass over the data, from 0.</param>
    public void Fill(ReadOnlySpan<long> indices, long epoch = 0) =>
        Fill(indices, epoch, default, CancellationToken.None);

    internal void Fill(ReadOnlySpan<long> indices, long epoch, DataPosition next, CancellationToken cancellation)
    {
        if (indices.Length > Capacity)
            throw new ArgumentException(
                $"A batch with room for {Capacity} samples cannot hold {indices.Length}.",
                nameof(indices)
            );
        Count = indices.Length;
        Next = next;
        for (int i = 0; i < indices.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            Data.Fill(indices[i], epoch, new Sample(this, i));
        }
    }

    /// <summary>A part of a field: samples from the first on.</summary>
    internal Span<T> Part<T>(int field, int first, int count) =>
        Values<T>(field).AsSpan(first * _sizes[field], count * _sizes[field]);

    internal Span<T> Of<T>(int field, int sample) => Part<T>(field, sample, 1);

    private static int Size(DataField field, int capacity)
    {
        if (field.DType is not (DType.Float32 or DType.Int32))
            throw new ArgumentException(
                $"The field '{field.Name}' is {field.DType.Name()}; a data set has float32 and int32."
            );
        if (field.Shape.Count > Array.MaxLength / capacity)
            throw new ArgumentException(
                $"{capacity} samples of the field '{field.Name}', {field.Shape}, do not fit in an array: take a "
                    + "smaller batch."
            );
        return (int)field.Shape.Count;
    }

    private T[] Values<T>(int field)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(field);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(field, _values.Length);
        return _values[field] as T[]
            ?? throw new ArgumentException(
                $"The field '{Data.Fields[field].Name}' is {Data.Fields[field].DType.Name()}, not {typeof(T).Name}.",
                nameof(field)
            );
    }
}
