namespace NativeAmp.Cli.Train;

/// <summary>
/// What a run shows and writes while it goes on may fail: a closed pipe, a terminal that is gone, a full disk. The run
/// then ends as if it had been told to, saved, and says why.
/// </summary>
internal sealed class OutputGuard(CancellationTokenSource stop)
{
    private readonly Lock _lock = new();

    /// <summary>The first failure.</summary>
    public IOException? Failure { get; private set; }

    /// <summary>Writes, unless that failed before.</summary>
    public void Write(Action write)
    {
        // Steps come from one thread, telemetry from another.
        lock (_lock)
        {
            if (Failure is not null)
                return;
            try
            {
                write();
            }
            catch (IOException e)
            {
                Failure = e;
                stop.Cancel();
            }
        }
    }
}
