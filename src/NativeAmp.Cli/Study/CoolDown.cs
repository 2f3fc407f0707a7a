using System.Diagnostics;

namespace NativeAmp.Cli.Study;

/// <summary>
/// Lets a GPU cool down before a run, so that all runs start equal: a warm GPU clocks lower, and the last run would
/// seem slower.
/// </summary>
/// <param name="temperature">Returns the degrees Celsius of the hottest GPU, or null if unknown.</param>
/// <param name="longest">The longest wait.</param>
/// <param name="between">The time between two readings.</param>
internal sealed class CoolDown(Func<double?>? temperature = null, TimeSpan? longest = null, TimeSpan? between = null)
{
    /// <summary>Degrees above the first run's start temperature that are allowed.</summary>
    public const double Near = 3;

    private readonly Func<double?> _temperature = temperature ?? (() => null);
    private readonly TimeSpan _longest = longest ?? TimeSpan.FromMinutes(2);
    private readonly TimeSpan _between = between ?? TimeSpan.FromSeconds(1);
    private double? _first;

    /// <summary>Waits until the GPU is about as cool as before the first run, or the time is up.</summary>
    /// <returns>The degrees at the end, null if unknown, and the seconds waited.</returns>
    public (double? Temperature, double Waited) Wait(CancellationToken stop)
    {
        long began = Stopwatch.GetTimestamp();
        double? now = _temperature();
        _first ??= now;
        while (now > _first + Near && Stopwatch.GetElapsedTime(began) < _longest && !stop.WaitHandle.WaitOne(_between))
            now = _temperature();
        return (now, Math.Round(Stopwatch.GetElapsedTime(began).TotalSeconds, 1));
    }
}
