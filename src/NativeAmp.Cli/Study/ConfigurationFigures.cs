namespace NativeAmp.Cli.Study;

/// <summary>The repeats of a configuration together.</summary>
internal sealed record ConfigurationFigures(Configuration Configuration, IReadOnlyList<RunFigures> Runs)
{
    /// <summary>Repeats that came to their end.</summary>
    public IReadOnlyList<RunFigures> Done { get; } = [.. Runs.Where(run => run.IsDone)];

    /// <summary>What the others said, each once.</summary>
    public IReadOnlyList<string> Failures { get; } =
    [.. Runs.Where(run => !run.IsDone).Select(run => run.Result.Reason ?? "it failed").Distinct()];

    /// <summary>Whether a repeat had not enough memory.</summary>
    public bool IsOutOfMemory => Runs.Any(run => run.Result.Outcome == RunOutcome.OutOfMemory);

    /// <summary>A figure of every repeat that has it.</summary>
    public double[] Of(Func<RunFigures, double> figure) => [.. Done.Select(figure).Where(double.IsFinite)];
}
