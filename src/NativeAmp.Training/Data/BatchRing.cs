using System.Runtime.ExceptionServices;

namespace NativeAmp.Training.Data;

/// <summary>
/// Batches that one flow of control prepares and another takes, in order. They are reused: a batch is valid until the
/// next one is taken.
/// </summary>
internal sealed class BatchRing : IDisposable
{
    private readonly Batch[] _batches;
    private readonly SemaphoreSlim _free;
    private readonly SemaphoreSlim _filled = new(0);
    private ExceptionDispatchInfo? _failure;
    private long _published;
    private long _taken;
    private bool _lent;

    /// <param name="data">What the batches are filled from.</param>
    /// <param name="batch">Samples of a batch.</param>
    /// <param name="ahead">Batches to prepare ahead. There is one more, which the taker holds.</param>
    public BatchRing(IDataset data, int batch, int ahead)
    {
        _batches = new Batch[ahead + 1];
        for (int i = 0; i < _batches.Length; i++)
            _batches[i] = new Batch(data, batch);
        _free = new SemaphoreSlim(_batches.Length);
    }

    /// <summary>As for <see cref="IBatchSource.Next"/>.</summary>
    public Batch? Next(CancellationToken cancellation)
    {
        if (_lent)
        {
            _lent = false;
            _free.Release();
        }

        _filled.Wait(cancellation);
        if (_taken < Volatile.Read(ref _published))
        {
            _lent = true;
            return _batches[_taken++ % _batches.Length];
        }

        _filled.Release(); // so that the next call sees the end as well
        _failure?.Throw();
        return null;
    }

    /// <summary>The batch to be filled next. Waits until one is free.</summary>
    public Batch WaitForFree(CancellationToken cancellation)
    {
        _free.Wait(cancellation);
        return _batches[_published % _batches.Length];
    }

    /// <summary>As for <see cref="WaitForFree"/>.</summary>
    public async Task<Batch> WaitForFreeAsync(CancellationToken cancellation)
    {
        await _free.WaitAsync(cancellation).ConfigureAwait(false);
        return _batches[_published % _batches.Length];
    }

    /// <summary>Lets the filled batch be taken.</summary>
    public void Publish()
    {
        Volatile.Write(ref _published, _published + 1);
        _filled.Release();
    }

    /// <summary>Ends the batches: those that were published can still be taken.</summary>
    /// <param name="failure">What ended them, for the call that asks for the next batch; null for none.</param>
    public void End(Exception? failure = null)
    {
        _failure = failure is null ? null : ExceptionDispatchInfo.Capture(failure);
        _filled.Release();
    }

    /// <summary>Ends it, when neither side uses it any more. A batch that was taken stays readable.</summary>
    public void Dispose()
    {
        _free.Dispose();
        _filled.Dispose();
    }
}
