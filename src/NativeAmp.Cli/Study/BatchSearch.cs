using System.Globalization;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Study;

/// <summary>The largest batch of a precision.</summary>
/// <param name="Precision">The precision.</param>
/// <param name="Largest">The largest batch known to fit; 0 if none does.</param>
/// <param name="Smallest">The smallest batch known not to fit; 0 if none is known.</param>
/// <param name="Reason">The message of that run.</param>
internal sealed record BatchLimit(string Precision, int Largest, int Smallest, string Reason);

/// <summary>
/// Finds the largest batch that fits (--batch auto). It doubles the batch until a run of two steps is out of memory,
/// then bisects. Each run is kept, so that a stopped study can go on.
/// </summary>
internal sealed class BatchSearch(StudySettings settings, StudyFolder folder)
{
    private const int First = 32;
    private const int Most = 1 << 24;

    // Tensor cores need multiples of 8.
    private const int Granule = 8;

    /// <summary>The next batch to try, or 0 if the largest is known to an eighth.</summary>
    /// <param name="fits">The largest batch known to fit, or 0.</param>
    /// <param name="fails">The smallest batch known not to fit, or 0.</param>
    public static int Next(int fits, int fails)
    {
        if (fails == 0)
            return fits == 0 ? First
                : fits >= Most ? 0
                : fits * 2;
        int granule = fails <= 2 * Granule ? 1 : Granule;
        if (fails - fits <= Math.Max(granule, fits / 8))
            return 0;
        int middle = fits + (fails - fits) / 2;
        return Math.Max(middle / granule * granule, fits + 1);
    }

    /// <summary>
    /// The configurations to measure: each precision at its largest batch, and at the largest batch that fits in all of
    /// them, for comparison.
    /// </summary>
    public static IReadOnlyList<Configuration> Configurations(StudySettings settings, IReadOnlyList<BatchLimit> limits)
    {
        if (!settings.AutoBatch)
            return [.. settings.Precisions.SelectMany(p => settings.Batches.Select(b => new Configuration(p, b)))];
        BatchLimit[] fitting = [.. limits.Where(limit => limit.Largest > 0)];
        if (fitting.Length == 0)
            return [];
        int common = fitting.Min(limit => limit.Largest);
        return
        [
            .. fitting.SelectMany(limit =>
                new[] { common, limit.Largest }.Distinct().Select(batch => new Configuration(limit.Precision, batch))
            ),
        ];
    }

    /// <summary>The limits known from earlier runs.</summary>
    public IReadOnlyList<BatchLimit> Known() =>
        [.. settings.Precisions.Select(precision => Search(precision, probe: null))];

    /// <summary>Finds the largest batch of each precision.</summary>
    /// <param name="probe">Makes a run and returns its result, or null if it was stopped.</param>
    /// <returns>The limits, or null if it was stopped.</returns>
    public IReadOnlyList<BatchLimit>? Search(Func<PlannedRun, RunResult?> probe)
    {
        bool stopped = false;
        List<BatchLimit> limits = [];
        foreach (string precision in settings.Precisions)
        {
            limits.Add(
                Search(
                    precision,
                    run =>
                    {
                        RunResult? result = probe(run);
                        stopped |= result is null;
                        return result;
                    }
                )
            );
            if (stopped)
                return null;
        }

        return limits;
    }

    /// <summary>The options of a run of nativeamp train that only probes: two steps.</summary>
    public static IReadOnlyDictionary<string, string> TrainOptions(StudySettings settings)
    {
        var options = new OrderedDictionary<string, string>();
        foreach (
            (string name, string value) in settings.TrainOptions.Where(option =>
                option.Key is not ("--steps" or "--epochs" or "--to-accuracy")
            )
        )
            options[name] = value;
        options["--steps"] = "2";
        return options;
    }

    private BatchLimit Search(string precision, Func<PlannedRun, RunResult?>? probe)
    {
        (int fits, int fails, string reason) = (0, 0, "");
        for (int batch = Next(0, 0); batch != 0; batch = Next(fits, fails))
        {
            var run = new PlannedRun(new Configuration(precision, batch), 0, settings.Seed, RunKind.Probe);
            RunResult? result = folder.Result(run) ?? probe?.Invoke(run);
            if (result is null)
                break;
            if (result.Outcome == RunOutcome.Done)
            {
                fits = batch;
                continue;
            }

            // Invalid arguments mean that there are too few samples for such a batch: a limit as well.
            if (result.Outcome == RunOutcome.Failed && result.ExitCode != ExitCode.Usage)
                throw new StudyException(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"Looking for the largest batch, {run.Name} failed: {result.Reason}"
                    )
                );
            (fails, reason) = (batch, result.Reason ?? "");
        }

        return new BatchLimit(precision, fits, fails, reason);
    }
}
