namespace NativeAmp.Telemetry;

/// <summary>Processor time that this process has used, and the time of the reading.</summary>
internal readonly record struct ProcessMoment(TimeSpan Used, long At);

/// <summary>
/// Reads a process's processor time together with the clock. If the thread loses its processor between the two, the
/// pair does not match, and the next reading would find more work than there was time for. Such a pair is read again.
/// </summary>
/// <param name="used">Returns the processor time used so far.</param>
/// <param name="time">The clock.</param>
internal sealed class ProcessClock(Func<TimeSpan> used, TimeProvider time)
{
    private const int Tries = 5;

    // Two readings of the clock and a system call take a few microseconds.
    private static readonly TimeSpan Near = TimeSpan.FromMilliseconds(0.1);

    /// <summary>Reads pairs, and returns the one whose two readings are nearest in time.</summary>
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

    /// <summary>The time from one reading to another.</summary>
    public TimeSpan Elapsed(ProcessMoment from, ProcessMoment to) => time.GetElapsedTime(from.At, to.At);
}
