namespace NativeAmp.Training.Data;

/// <summary>Batches of a stream's samples, collected ahead by a task while the run computes.</summary>
internal sealed class StreamLoader<T> : IBatchSource
{
    private readonly Func<long, IAsyncEnumerable<T>> _open;
    private readonly T[] _values;
    private readonly long[] _indices;
    private readonly BatchRing _ring;
    private readonly bool _dropLast;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _collecting;

    public StreamLoader(
        IReadOnlyList<DataField> fields,
        Func<long, IAsyncEnumerable<T>> open,
        SampleWriter<T> write,
        int batch,
        DataPosition start,
        int ahead,
        bool dropLast
    )
    {
        _open = open;
        _dropLast = dropLast;
        _values = new T[batch];
        _indices = [.. Enumerable.Range(0, batch).Select(i => (long)i)];
        _ring = new BatchRing(new Arrived(fields, _values, write), batch, ahead);
        _collecting = Task.Run(() => CollectAsync(start));
    }

    /// <inheritdoc/>
    public Batch? Next(CancellationToken cancellation) => _ring.Next(cancellation);

    /// <summary>Ends the stream. A source that does not heed its token is left behind after a second.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        if (!_collecting.Wait(BatchLoader.LongestWait))
            return; // it still uses them
        _ring.Dispose();
        _stop.Dispose();
    }

    private async Task CollectAsync(DataPosition position)
    {
        try
        {
            int count = 0;
            await foreach (T value in _open(position.Sample).WithCancellation(_stop.Token).ConfigureAwait(false))
            {
                _stop.Token.ThrowIfCancellationRequested();
                _values[count++] = value;
                if (count < _values.Length)
                    continue;
                position = await PublishAsync(count, position).ConfigureAwait(false);
                count = 0;
            }

            if (count > 0 && !_dropLast)
                await PublishAsync(count, position).ConfigureAwait(false);
            _ring.End();
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Disposed.
        }
        catch (Exception e)
        {
            // The call that asks for the batch throws it; here nobody would catch it.
            _ring.End(e);
        }
    }

    private async Task<DataPosition> PublishAsync(int count, DataPosition position)
    {
        Batch batch = await _ring.WaitForFreeAsync(_stop.Token).ConfigureAwait(false);
        position = position with { Sample = position.Sample + count };
        batch.Fill(_indices.AsSpan(0, count), position.Epoch, position, _stop.Token);
        _ring.Publish();
        return position;
    }

    /// <summary>The values that have arrived for the next batch, as its data set.</summary>
    private sealed class Arrived(IReadOnlyList<DataField> fields, T[] values, SampleWriter<T> write) : IDataset
    {
        public long Count => values.Length;

        public IReadOnlyList<DataField> Fields => fields;

        public void Fill(long index, long epoch, Sample sample) => write(values[index], sample);
    }
}
