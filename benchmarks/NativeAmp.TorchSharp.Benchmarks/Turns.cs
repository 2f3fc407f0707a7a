using System.Diagnostics;

namespace NativeAmp.TorchSharp.Benchmarks;

/// <summary>The median time of an action, and the managed memory that it allocated.</summary>
internal readonly record struct Measured(double Milliseconds, double Kibibytes)
{
    public override string ToString() => $"{Milliseconds:0.00} ({Kibibytes:0.0})";
}

/// <summary>Actions that take turns, so that each meets the same machine.</summary>
internal static class Turns
{
    /// <summary>Measures each action in each of the turns, after one that does not count.</summary>
    public static Measured[] Measure(int turns, params Action[] actions)
    {
        double[][] times = [.. actions.Select(_ => new double[turns])];
        long[] bytes = new long[actions.Length];
        for (int turn = -1; turn < turns; turn++)
        {
            for (int i = 0; i < actions.Length; i++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                long start = Stopwatch.GetTimestamp();
                actions[i]();
                double time = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                if (turn < 0)
                    continue;
                times[i][turn] = time;
                bytes[i] += GC.GetAllocatedBytesForCurrentThread() - before;
            }
        }
        return
        [
            .. times.Select((each, i) => new Measured(each.Order().ElementAt(turns / 2), bytes[i] / 1024.0 / turns)),
        ];
    }
}
