namespace NativeAmp.Cli.Study;

/// <summary>Estimates the time of runs from those that are done.</summary>
internal sealed class StudyClock
{
    private readonly Dictionary<(Configuration, RunKind), List<double>> _seconds = [];

    /// <summary>Adds a run that is done.</summary>
    public void Add(PlannedRun run, double seconds)
    {
        if (!_seconds.TryGetValue((run.Configuration, run.Kind), out List<double>? all))
            _seconds.Add((run.Configuration, run.Kind), all = []);
        all.Add(seconds);
    }

    /// <summary>Expected seconds of a run: the mean over similar runs, else over all; NaN if there are none.</summary>
    public double Expected(PlannedRun run) =>
        _seconds.TryGetValue((run.Configuration, run.Kind), out List<double>? like) ? like.Average()
        : _seconds.Count > 0 ? _seconds.Values.SelectMany(all => all).Average()
        : double.NaN;

    /// <summary>The completed part of a run, always below 1.</summary>
    public double Part(PlannedRun run, double seconds) =>
        Expected(run) is var expected && expected > 0 ? Math.Min(0.99, seconds / expected) : 0;

    /// <summary>Time left for the current run and those after it; null if unknown.</summary>
    /// <param name="plan">All runs.</param>
    /// <param name="index">Number of the current run, from 1.</param>
    /// <param name="seconds">Seconds that it has run.</param>
    public TimeSpan? Left(IReadOnlyList<PlannedRun> plan, int index, double seconds)
    {
        double left = plan.Skip(index - 1).Sum(Expected) - Math.Min(seconds, Expected(plan[index - 1]));
        return double.IsFinite(left)
            ? TimeSpan.FromSeconds(Math.Clamp(left, 0, TimeSpan.FromDays(10_000).TotalSeconds))
            : null;
    }
}
