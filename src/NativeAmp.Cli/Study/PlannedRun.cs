using System.Globalization;

namespace NativeAmp.Cli.Study;

/// <summary>A precision and a batch size that a study compares.</summary>
internal readonly record struct Configuration(string Precision, int Batch)
{
    /// <summary>The configuration in words.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Precision.ToUpperInvariant()}, batch {Batch}");
}

/// <summary>The purpose of a run.</summary>
internal enum RunKind
{
    /// <summary>A run to measure.</summary>
    Measured,

    /// <summary>A run to profile; it does not count in the figures.</summary>
    Profile,

    /// <summary>A run to find out whether its batch fits in memory.</summary>
    Probe,
}

/// <summary>A run of a study.</summary>
/// <param name="Configuration">Its configuration.</param>
/// <param name="Repeat">Number of the repeat, from 1; 0 if the run is not measured.</param>
/// <param name="Seed">Seed of weights and shuffle.</param>
/// <param name="Kind">Its purpose.</param>
internal sealed record PlannedRun(Configuration Configuration, int Repeat, ulong Seed, RunKind Kind)
{
    /// <summary>Its folder's name.</summary>
    public string Name =>
        string.Create(CultureInfo.InvariantCulture, $"{Configuration.Precision}-b{Configuration.Batch}-")
        + Kind switch
        {
            RunKind.Measured => string.Create(CultureInfo.InvariantCulture, $"r{Repeat}"),
            RunKind.Profile => "profile",
            _ => "probe",
        };
}

/// <summary>The runs of a study in their order.</summary>
internal static class StudyPlan
{
    /// <summary>
    /// A randomized block design: in each repeat every configuration runs once, in a random order, so that changes over
    /// time (temperature, other work) affect all of them. Profiles come last, where they disturb no measurement.
    /// </summary>
    public static IReadOnlyList<PlannedRun> Of(StudySettings settings, IReadOnlyList<Configuration> configurations)
    {
        // Random(int) keeps its sequence across versions of .NET.
        var random = new Random((int)(settings.Seed % int.MaxValue));
        List<PlannedRun> runs = [];
        for (int repeat = 1; repeat <= settings.Repeats; repeat++)
        {
            Configuration[] block = [.. configurations];
            random.Shuffle(block);
            runs.AddRange(
                block.Select(c => new PlannedRun(c, repeat, settings.Seed + (ulong)repeat - 1, RunKind.Measured))
            );
        }

        runs.AddRange(configurations.Select(c => new PlannedRun(c, 0, settings.Seed, RunKind.Profile)));
        return runs;
    }
}
