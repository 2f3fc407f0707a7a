namespace NativeAmp.Training.Data;

/// <summary>Writes one value of a stream into a batch, field by field.</summary>
/// <typeparam name="T">The values of the stream, such as rows of a database.</typeparam>
/// <param name="value">The value.</param>
/// <param name="sample">The place to write to.</param>
public delegate void SampleWriter<in T>(T value, Sample sample);

/// <summary>
/// Samples that arrive one after another, for example from a database, a queue or a web service. A
/// <see cref="Trainer"/> takes each once, in the order in which they arrive.
/// </summary>
/// <example>
/// <code>
/// var stream = SampleStream.Create(
///     [new() { Name = "x", DType = DType.Float32, Shape = [16] }, new() { Name = "class", DType = DType.Int32 }],
///     first =&gt; database.Rows.Where(row =&gt; row.Id &gt;= first).AsAsyncEnumerable(),
///     (row, sample) =&gt;
///     {
///         row.Values.CopyTo(sample.Floats(0));
///         sample.Integers(1)[0] = row.Class;
///     });
/// </code>
/// </example>
public abstract class SampleStream
{
    private protected SampleStream(IReadOnlyList<DataField> fields) => Fields = fields;

    /// <summary>The fields of a sample, as in <see cref="IDataset.Fields"/>.</summary>
    public IReadOnlyList<DataField> Fields { get; }

    /// <summary>Describes a stream.</summary>
    /// <typeparam name="T">The values of the stream.</typeparam>
    /// <param name="fields">The fields of a sample, float32 or int32.</param>
    /// <param name="open">
    /// Opens the stream when a run begins. Its argument is the number of samples that the run took before, if it
    /// resumes from a checkpoint, else 0: a stream that can be read again begins after them. A token that ends with the
    /// run is given to <see cref="IAsyncEnumerable{T}.GetAsyncEnumerator"/>.
    /// </param>
    /// <param name="write">Writes a value into a batch.</param>
    public static SampleStream Create<T>(
        IReadOnlyList<DataField> fields,
        Func<long, IAsyncEnumerable<T>> open,
        SampleWriter<T> write
    )
    {
        ArgumentNullException.ThrowIfNull(fields);
        ArgumentNullException.ThrowIfNull(open);
        ArgumentNullException.ThrowIfNull(write);
        if (fields.Count == 0)
            throw new ArgumentException("The samples of a stream need at least one field.", nameof(fields));
        return new SampleStream<T>([.. fields], open, write);
    }

    /// <summary>Opens the stream.</summary>
    /// <param name="batch">Samples of a batch.</param>
    /// <param name="start">The position to begin at.</param>
    /// <param name="ahead">Number of batches to prepare ahead.</param>
    /// <param name="dropLast">Whether to leave out an incomplete batch at the end.</param>
    internal abstract IBatchSource Open(int batch, DataPosition start, int ahead, bool dropLast);
}

internal sealed class SampleStream<T>(
    IReadOnlyList<DataField> fields,
    Func<long, IAsyncEnumerable<T>> open,
    SampleWriter<T> write
) : SampleStream(fields)
{
    internal override IBatchSource Open(int batch, DataPosition start, int ahead, bool dropLast) =>
        new StreamLoader<T>(Fields, open, write, batch, start, ahead, dropLast);
}
