namespace NativeAmp.Training.Data;

/// <summary>
/// Endless minibatches of a data set, shuffled anew in each epoch, and prepared ahead on its own thread. The order
/// depends only on seed and position. The batches are a ring that is reused.
/// </summary>
public sealed class BatchLoader : IBatchSource
{
    // A data set that hangs in one sample does not hold its caller for longer.
    internal static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(1);

    private readonly BatchRing _ring;
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread _thread;
    private readonly ulong _seed;
    private readonly bool _dropLast;
    private int _disposed;

    /// <summary>Starts preparing batches.</summary>
    /// <param name="data">The samples; the loader reads them from its own thread.</param>
    /// <param name="batch">Samples of a batch. At most as many as the data set has, unless an incomplete batch is
    /// kept.</param>
    /// <param name="seed">Seed of the shuffle.</param>
    /// <param name="start">The position to begin at: a <see cref="Batch.Next"/> of an earlier run.</param>
    /// <param name="ahead">Number of batches to prepare ahead, 1 or more.</param>
    /// <param name="dropLast">Whether to leave out an incomplete batch at the end of an epoch, so that all batches have
    /// one size.</param>
    public BatchLoader(
        IDataset data,
        int batch,
        ulong seed,
        DataPosition start = default,
        int ahead = 3,
        bool dropLast = true
    )
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batch);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ahead);
        if (CountBatches(data.Count, batch, dropLast) == 0)
            throw new ArgumentOutOfRangeException(
                nameof(batch),
                batch,
                $"The data set has {data.Count} samples, fewer than one batch; take a smaller batch."
            );
        if (start.Epoch < 0 || start.Sample < 0 || start.Sample > data.Count)
            throw new ArgumentOutOfRangeException(
                nameof(start),
                start,
                $"Not a position in a data set of {data.Count} samples."
            );

        Data = data;
        BatchSize = batch;
        _seed = seed;
        _dropLast = dropLast;
        _ring = new BatchRing(data, batch, ahead);
        _thread = new Thread(() => Produce(start)) { IsBackground = true, Name = "NativeAmp batches" };
        _thread.Start();
    }

    /// <summary>The samples.</summary>
    public IDataset Data { get; }

    /// <summary>Samples of a batch; an incomplete one has fewer.</summary>
    public int BatchSize { get; }

    /// <summary>Batches of an epoch.</summary>
    public long BatchesPerEpoch => CountBatches(Data.Count, BatchSize, _dropLast);

    /// <summary>Returns the next batch, valid until the next call. Waits if it is not ready.</summary>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    /// <remarks>If the data set threw while the batch was prepared, this call and every later one throws it.</remarks>
    public Batch Next(CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        return _ring.Next(cancellation)!; // without an end
    }

    Batch? IBatchSource.Next(CancellationToken cancellation) => Next(cancellation);

    /// <summary>
    /// Ends the thread. A batch that was returned stays readable. It waits until the data set has written the sample
    /// that it is at, but no longer than a second; the thread then ends after that sample.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _stop.Cancel();
        if (!_thread.Join(LongestWait))
            return; // it still uses them
        _ring.Dispose();
        _stop.Dispose();
    }

    /// <summary>Batches in a number of samples.</summary>
    internal static long CountBatches(long samples, int batch, bool dropLast) =>
        samples / batch + (dropLast || samples % batch == 0 ? 0 : 1);

    private void Produce(DataPosition position)
    {
        try
        {
            var shuffle = new Shuffle(Data.Count, _seed, position.Epoch);
            long[] indices = new long[BatchSize];
            while (true)
            {
                Batch batch = _ring.WaitForFree(_stop.Token);
                if (position.Sample + (_dropLast ? BatchSize : 1) > Data.Count)
                {
                    position = new DataPosition(position.Epoch + 1, 0);
                    shuffle = new Shuffle(Data.Count, _seed, position.Epoch);
                }

                int count = (int)Math.Min(BatchSize, Data.Count - position.Sample);
                for (int i = 0; i < count; i++)
                    indices[i] = shuffle[position.Sample + i];
                long epoch = position.Epoch;
                position = position with { Sample = position.Sample + count };
                batch.Fill(indices.AsSpan(0, count), epoch, position, _stop.Token);
                _ring.Publish();
            }
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
}
