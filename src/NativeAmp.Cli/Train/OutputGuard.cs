namespace NativeAmp.Cli.Train;

/// <summary>
/// Guards the output of a run, which may fail: a closed pipe, a terminal that is gone, a full disk. The run then stops
/// as on Ctrl-C, saves a checkpoint, and says why.
/// </summary>
internal sealed class OutputGuard(CancellationTokenSource stop)
{
    private readonly Lock _lock = new();

    /// <summary>The first failure.</summary>
    public IOException? Failure { get; private set; }

    /// <summary>Writes, unless a write failed before.</summary>
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
