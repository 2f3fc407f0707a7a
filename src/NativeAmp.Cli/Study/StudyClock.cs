namespace NativeAmp.Cli.Study;

/// <summary>How long runs take, from those that are done.</summary>
internal sealed class StudyClock
{
    private readonly Dictionary<(Configuration, RunKind), List<double>> _seconds = [];

    /// <summary>Takes in a run that is done.</summary>
    public void Add(PlannedRun run, double seconds)
    {
        if (!_seconds.TryGetValue((run.Configuration, run.Kind), out List<double>? all))
            _seconds.Add((run.Configuration, run.Kind), all = []);
        all.Add(seconds);
    }

    /// <summary>Seconds that a run takes: the mean of those like it, else of all; NaN where nothing is known.</summary>
    public double Expected(PlannedRun run) =>
        _seconds.TryGetValue((run.Configuration, run.Kind), out List<double>? like) ? like.Average()
        : _seconds.Count > 0 ? _seconds.Values.SelectMany(all => all).Average()
        : double.NaN;

    /// <summary>The part of a run that is over, never quite all of it.</summary>
    public double Part(PlannedRun run, double seconds) =>
        Expected(run) is var expected && expected > 0 ? Math.Min(0.99, seconds / expected) : 0;

    /// <summary>Time that the runs from one on still take; null where nothing is known.</summary>
    /// <param name="plan">All runs.</param>
    /// <param name="index">The one that runs, from 1.</param>
    /// <param name="seconds">How long it has.</param>
    public TimeSpan? Left(IReadOnlyList<PlannedRun> plan, int index, double seconds)
    {
        double left = plan.Skip(index - 1).Sum(Expected) - Math.Min(seconds, Expected(plan[index - 1]));
        return double.IsFinite(left)
            ? TimeSpan.FromSeconds(Math.Clamp(left, 0, TimeSpan.FromDays(10_000).TotalSeconds))
            : null;
    }
}
