namespace NativeAmp.Training.Data;

/// <summary>Batches in the order of a run, prepared ahead.</summary>
internal interface IBatchSource : IDisposable
{
    /// <summary>The next batch, valid until the next call; null at the end. Waits if it is not ready.</summary>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    /// <remarks>If preparing a batch failed, this call and every later one throws what it threw.</remarks>
    Batch? Next(CancellationToken cancellation);
}
