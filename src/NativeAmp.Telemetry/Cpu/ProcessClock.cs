namespace NativeAmp.Telemetry;

/// <summary>Processor time that this process has used, and the moment that it is of.</summary>
internal readonly record struct ProcessMoment(TimeSpan Used, long At);

/// <summary>
/// Reads a process's time together with the moment. A thread that loses its processor between the two would pair a time
/// with a later moment, and the reading after it would find more work than there was time for: such a pair is read
/// again.
/// </summary>
/// <param name="used">The time of all processors that was used so far.</param>
/// <param name="time">The moment.</param>
internal sealed class ProcessClock(Func<TimeSpan> used, TimeProvider time)
{
    private const int Tries = 5;

    // Two looks at the clock and a call of the kernel take a few microseconds.
    private static readonly TimeSpan Near = TimeSpan.FromMilliseconds(0.1);

    /// <summary>The pair whose halves lie nearest to each other.</summary>
    public ProcessMoment Read()
    {
        (ProcessMoment best, TimeSpan least) = (default, TimeSpan.MaxValue);
        for (int i = 0; i < Tries && least > Near; i++)
        {
            long before = time.GetTimestamp();
            TimeSpan spent = used();
            long after = time.GetTimestamp();
            if (time.GetElapsedTime(before, after) is var took && took < least)
                (best, least) = (new ProcessMoment(spent, before + (after - before) / 2), took);
        }

        return best;
    }

    /// <summary>From one moment to another.</summary>
    public TimeSpan Elapsed(ProcessMoment from, ProcessMoment to) => time.GetElapsedTime(from.At, to.At);
}
