namespace NativeAmp.Training.Data;

/// <summary>
/// Samples in arrays, with one array for each field. The values of a sample follow those of the sample before.
/// </summary>
/// <example>
/// <code>
/// var data = new ArrayDataset(1000);
/// data.Add("x", inputs, [16]);
/// data.Add("y", outputs, [1]);
/// </code>
/// </example>
public sealed class ArrayDataset : IDataset
{
    private readonly List<DataField> _fields = [];
    private readonly List<Array> _values = [];

    /// <summary>A data set of this many samples, without fields yet.</summary>
    public ArrayDataset(long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        Count = count;
    }

    /// <inheritdoc/>
    public long Count { get; }

    /// <inheritdoc/>
    public IReadOnlyList<DataField> Fields => _fields;

    /// <summary>Adds a float32 field.</summary>
    /// <param name="name">The field's name.</param>
    /// <param name="values">[count, ...shape]. Not copied.</param>
    /// <param name="shape">The field's shape in one sample.</param>
    /// <exception cref="ArgumentException">The number of values does not fit.</exception>
    public void Add(string name, float[] values, Shape shape) => Add(name, DType.Float32, values, shape);

    /// <summary>Adds an int32 field, such as class labels.</summary>
    /// <param name="name">The field's name.</param>
    /// <param name="values">[count, ...shape]. Not copied.</param>
    /// <param name="shape">The field's shape in one sample.</param>
    /// <exception cref="ArgumentException">The number of values does not fit.</exception>
    public void Add(string name, int[] values, Shape shape) => Add(name, DType.Int32, values, shape);

    /// <inheritdoc/>
    public void Fill(long index, long epoch, Sample sample)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)index, (ulong)Count, nameof(index));
        for (int field = 0; field < _fields.Count; field++)
        {
            if (_values[field] is float[] floats)
                Copy(floats, index, sample.Floats(field));
            else
                Copy((int[])_values[field], index, sample.Integers(field));
        }
    }

    private static void Copy<T>(T[] values, long index, Span<T> target) =>
        values.AsSpan((int)(index * target.Length), target.Length).CopyTo(target);

    private void Add(string name, DType dtype, Array values, Shape shape)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(values);
        if (Int128.CreateChecked(Count) * shape.Count != values.LongLength)
            throw new ArgumentException(
                $"'{name}' has {values.LongLength} values; {Count} samples of {shape} take "
                    + $"{Int128.CreateChecked(Count) * shape.Count}.",
                nameof(values)
            );
        _fields.Add(
            new DataField
            {
                Name = name,
                DType = dtype,
                Shape = shape,
            }
        );
        _values.Add(values);
    }
}
