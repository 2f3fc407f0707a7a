namespace NativeAmp.Cli.Bench;

/// <summary>
/// Times a kernel and its limit in turns by the device's clock, so that noise on the machine affects both.
/// </summary>
internal sealed class InterleavedTimer : IDisposable
{
    // Shorter work is repeated until it takes this long: an event and a call cost about a microsecond.
    private const double ShortestSpan = 2e-3;
    private const int FewestRounds = 5;
    private const int MostRounds = 1000;

    private readonly DeviceEvent _begin;
    private readonly DeviceEvent _between;
    private readonly DeviceEvent _end;

    public InterleavedTimer(Device device)
    {
        _begin = new DeviceEvent(device);
        _between = new DeviceEvent(device);
        _end = new DeviceEvent(device);
    }

    /// <summary>Times rounds of both until the budget is spent, and at least a few.</summary>
    /// <param name="kernel">Runs the kernel once; the argument counts calls from 0.</param>
    /// <param name="limit">Runs its limit once, with the same argument; it is called an even number of times for each
    /// count.</param>
    /// <param name="budget">Approximate seconds to spend.</param>
    public Timing Measure(Action<int> kernel, Action<int> limit, double budget)
    {
        int calls = 0,
            limitCalls = 0;
        Round(1, 1); // fetches pages, kernels and clocks
        (double once, double limitOnce) = Round(1, 1);
        int times = Repeats(once),
            limitTimes = Repeats(limitOnce);
        (double kernelSpan, double limitSpan) = Round(times, limitTimes);
        double round = times * kernelSpan + 2 * limitTimes * limitSpan;
        int rounds = (int)Math.Clamp(budget / round, FewestRounds, MostRounds);
        var kernels = new double[rounds];
        var limits = new double[rounds];
        for (int i = 0; i < rounds; i++)
            (kernels[i], limits[i]) = Round(times, limitTimes);
        return new Timing(kernels, limits);

        (double Kernel, double Limit) Round(int times, int limitTimes)
        {
            _begin.Record();
            for (int i = 0; i < times; i++)
                kernel(calls++);
            _between.Record();
            for (int twice = 0; twice < 2; twice++)
            {
                for (int i = 0; i < limitTimes; i++)
                    limit(limitCalls + i);
            }
            _end.Record();
            limitCalls += limitTimes;
            return (_between.SecondsSince(_begin) / times, _end.SecondsSince(_between) / (2 * limitTimes));
        }
    }

    // Each is repeated by its own time: a single fast call after a slow one would measure waking threads and fetching
    // data that the slow one drove out of the caches.
    private static int Repeats(double once) =>
        (int)Math.Clamp(Math.Ceiling(ShortestSpan / Math.Max(once, 1e-7)), 1, 20000);

    public void Dispose()
    {
        _begin.Dispose();
        _between.Dispose();
        _end.Dispose();
    }
}

/// <summary>Seconds of one call, round by round.</summary>
/// <param name="Kernel">Times of the kernel.</param>
/// <param name="Limit">Times of its limit in the same rounds.</param>
internal sealed record Timing(double[] Kernel, double[] Limit)
{
    /// <summary>The limit's time divided by the kernel's: the median of the rounds' ratios.</summary>
    public double FractionOfLimit => Quantile([.. Kernel.Zip(Limit, (kernel, limit) => limit / kernel)], 0.5);

    /// <summary>A quantile of the values, with linear interpolation.</summary>
    public static double Quantile(double[] values, double part)
    {
        double[] sorted = [.. values.Order()];
        double place = part * (sorted.Length - 1);
        int below = (int)place;
        int above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }
}
