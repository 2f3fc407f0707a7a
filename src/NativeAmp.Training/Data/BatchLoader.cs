using System.Runtime.ExceptionServices;

namespace NativeAmp.Training.Data;

/// <summary>
/// Endless minibatches of a data set, shuffled anew in each epoch, and prepared ahead on its own thread. The order
/// depends only on seed and position. The batches are a ring that is reused.
/// </summary>
public sealed class BatchLoader : IDisposable
{
    private readonly Lock _disposing = new();
    private readonly Batch?[] _ring; // null where preparing the batch failed, for _failure's reason
    private readonly SemaphoreSlim _free;
    private readonly SemaphoreSlim _filled = new(0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread _thread;
    private readonly long[] _indices;
    private readonly ulong _seed;
    private ExceptionDispatchInfo? _failure;
    private int _head;
    private bool _lent;
    private bool _disposed;

    /// <summary>Starts preparing batches.</summary>
    /// <param name="data">The samples; the loader reads them from its own thread.</param>
    /// <param name="batch">Samples of a batch, at most as many as the data set has. An incomplete batch at the end of
    /// an epoch is left out, so that all batches have one size.</param>
    /// <param name="seed">Seed of the shuffle.</param>
    /// <param name="start">The position to begin at: a <see cref="Batch.Next"/> of an earlier run.</param>
    /// <param name="ahead">Number of batches to prepare ahead, 1 or more.</param>
    public BatchLoader(IDataset data, int batch, ulong seed, DataPosition start = default, int ahead = 3)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batch);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ahead);
        if (batch > data.Count)
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
        _indices = new long[batch];
        // One more than are prepared ahead: the consumer holds one.
        _ring = new Batch?[ahead + 1];
        for (int i = 0; i < _ring.Length; i++)
            _ring[i] = new Batch(data, batch);
        _free = new SemaphoreSlim(_ring.Length);
        _thread = new Thread(() => Produce(start)) { IsBackground = true, Name = "NativeAmp batches" };
        _thread.Start();
    }

    /// <summary>The samples.</summary>
    public IDataset Data { get; }

    /// <summary>Samples of a batch.</summary>
    public int BatchSize { get; }

    /// <summary>Batches of an epoch.</summary>
    public long BatchesPerEpoch => Data.Count / BatchSize;

    /// <summary>Returns the next batch, valid until the next call. Waits if it is not ready.</summary>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    /// <remarks>If the data set threw while the batch was prepared, this call and every later one throws it.</remarks>
    public Batch Next(CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_lent)
        {
            _lent = false;
            _head = (_head + 1) % _ring.Length;
            _free.Release();
        }

        _filled.Wait(cancellation);
        if (_ring[_head] is { } batch)
        {
            _lent = true;
            return batch;
        }

        _filled.Release(); // so that the next call sees it as well
        _failure!.Throw();
        throw _failure.SourceException;
    }

    /// <summary>Ends the thread. A batch that was returned stays readable.</summary>
    public void Dispose()
    {
        lock (_disposing)
        {
            if (_disposed)
                return;
            _disposed = true;
        }

        _stop.Cancel();
        _thread.Join();
        _stop.Dispose();
        _free.Dispose();
        _filled.Dispose();
    }

    private void Produce(DataPosition position)
    {
        int slot = 0;
        try
        {
            var shuffle = new Shuffle(Data.Count, _seed, position.Epoch);
            for (; ; slot = (slot + 1) % _ring.Length)
            {
                _free.Wait(_stop.Token);
                if (position.Sample + BatchSize > Data.Count)
                {
                    position = new DataPosition(position.Epoch + 1, 0);
                    shuffle = new Shuffle(Data.Count, _seed, position.Epoch);
                }

                for (int i = 0; i < _indices.Length; i++)
                    _indices[i] = shuffle[position.Sample + i];
                long epoch = position.Epoch;
                position = position with { Sample = position.Sample + BatchSize };
                _ring[slot]!.Fill(_indices, epoch, position);
                _filled.Release();
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Disposed.
        }
        catch (Exception e)
        {
            // The call that asks for the batch throws it; here nobody would catch it.
            _failure = ExceptionDispatchInfo.Capture(e);
            _ring[slot] = null;
            _filled.Release();
        }
    }
}
