using System.Globalization;

namespace NativeAmp.Cli.Study;

/// <summary>A precision and a batch size, which a study compares.</summary>
internal readonly record struct Configuration(string Precision, int Batch)
{
    /// <summary>As people read it.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Precision.ToUpperInvariant()}, batch {Batch}");
}

/// <summary>Why a run is made.</summary>
internal enum RunKind
{
    /// <summary>To be measured.</summary>
    Measured,

    /// <summary>To see where the time goes; it is no part of the figures.</summary>
    Profile,

    /// <summary>To see whether its batch fits in memory.</summary>
    Probe,
}

/// <summary>A run of a study.</summary>
/// <param name="Configuration">What it runs.</param>
/// <param name="Repeat">From 1; 0 where it is not measured.</param>
/// <param name="Seed">Of weights and shuffle.</param>
/// <param name="Kind">Why.</param>
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
    /// Repeat after repeat, each configuration once in a repeat and in an order of its own, so that what changes with
    /// time (warmth, other work) meets all of them: a randomized block design. Profiles follow, which disturb nobody
    /// there.
    /// </summary>
    public static IReadOnlyList<PlannedRun> Of(StudySettings settings, IReadOnlyList<Configuration> configurations)
    {
        // Random(int) keeps its sequence from version to version of .NET.
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
