using System.Diagnostics;

namespace NativeAmp.Cli.Study;

/// <summary>
/// Lets a GPU cool down before a run, so that each begins alike: a warm one clocks lower, and whichever runs last would
/// seem slower.
/// </summary>
/// <param name="temperature">Degrees Celsius of the hottest GPU, or null where that is not known.</param>
/// <param name="longest">The longest wait.</param>
/// <param name="between">How long from one look to the next.</param>
internal sealed class CoolDown(Func<double?>? temperature = null, TimeSpan? longest = null, TimeSpan? between = null)
{
    /// <summary>Degrees above the first run's start that are near enough.</summary>
    public const double Near = 3;

    private readonly Func<double?> _temperature = temperature ?? (() => null);
    private readonly TimeSpan _longest = longest ?? TimeSpan.FromMinutes(2);
    private readonly TimeSpan _between = between ?? TimeSpan.FromSeconds(1);
    private double? _first;

    /// <summary>Waits until it is as cool as before the first run, nearly, or the time is up.</summary>
    /// <returns>Degrees at the end, null where they are not known, and the seconds waited.</returns>
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
