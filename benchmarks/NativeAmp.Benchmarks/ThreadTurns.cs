using System.Runtime.InteropServices;

namespace NativeAmp.Benchmarks;

/// <summary>
/// Times two pieces of work in turns by the time that the processor spent on the calling thread: other work on the
/// machine takes none of it, though it takes caches and memory.
/// </summary>
internal static partial class ThreadTurns
{
    // Linux' <time.h>.
    private const int ThreadTime = 3;

    // Shorter work is repeated until it takes this long.
    private const double ShortestSpan = 2e-3;
    private const int FewestRounds = 9;

    /// <summary>Whether a device computes on the calling thread, and the system tells its time.</summary>
    public static bool Fit(Device device) => OperatingSystem.IsLinux() && device.Info.Threads == 1;

    /// <summary>The first one's time divided by the second's, of each turn.</summary>
    /// <param name="first">Runs the one once.</param>
    /// <param name="second">Runs the other once.</param>
    /// <param name="budget">Approximate seconds to spend.</param>
    public static double[] Ratios(Action first, Action second, double budget)
    {
        first();
        second();
        int firstTimes = Repeats(first),
            secondTimes = Repeats(second);
        var ratios = new List<double>();
        for (double spent = 0; ratios.Count < FewestRounds || spent < budget; )
        {
            double one = Seconds(first, firstTimes);
            double other = Seconds(second, secondTimes);
            ratios.Add(one / firstTimes / (other / secondTimes));
            spent += one + other;
        }
        return [.. ratios];
    }

    private static int Repeats(Action work) =>
        (int)Math.Clamp(Math.Ceiling(ShortestSpan / Math.Max(Seconds(work, 1), 1e-7)), 1, 20000);

    private static double Seconds(Action work, int times)
    {
        double begin = Now();
        for (int i = 0; i < times; i++)
            work();
        return Now() - begin;
    }

    private static double Now() =>
        ReadClock(ThreadTime, out TimeSpec time) == 0
            ? time.Seconds + time.Nanoseconds * 1e-9
            : throw new InvalidOperationException("The system does not tell the time of a thread.");

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ReadClock(int clock, out TimeSpec time);

    private readonly struct TimeSpec
    {
        public readonly long Seconds;
        public readonly long Nanoseconds;
    }
}
