namespace NativeAmp.Cli.Study;

/// <summary>The repeats of a configuration.</summary>
internal sealed record ConfigurationFigures(Configuration Configuration, IReadOnlyList<RunFigures> Runs)
{
    /// <summary>Repeats that completed.</summary>
    public IReadOnlyList<RunFigures> Done { get; } = [.. Runs.Where(run => run.IsDone)];

    /// <summary>The messages of the others, each once.</summary>
    public IReadOnlyList<string> Failures { get; } =
    [.. Runs.Where(run => !run.IsDone).Select(run => run.Result.Reason ?? "it failed").Distinct()];

    /// <summary>Whether a repeat ran out of memory.</summary>
    public bool IsOutOfMemory => Runs.Any(run => run.Result.Outcome == RunOutcome.OutOfMemory);

    /// <summary>The values of a figure over the repeats that have it.</summary>
    public double[] Of(Func<RunFigures, double> figure) => [.. Done.Select(figure).Where(double.IsFinite)];
}
