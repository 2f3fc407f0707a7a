using System.Globalization;

namespace NativeAmp.Cli.Study;

/// <summary>The section of a report about how its figures were measured.</summary>
internal static class StudyMethod
{
    /// <summary>The sentences of the section.</summary>
    public static IEnumerable<string> Sentences(StudyFigures figures)
    {
        StudySettings settings = figures.Settings;
        RunFigures? any = figures.Any;
        if (any is not null)
        {
            string threads = any.Number("threads") is > 0 and var count
                ? string.Create(CultureInfo.InvariantCulture, $", {count} threads")
                : "";
            yield return $"Machine: {(any.Text("device_name") is { Length: > 0 } name ? name : any.Text("device"))}{threads}; measured from {Day(figures.Configurations.SelectMany(c => c.Runs).Min(run => run.Result.Started))}.";
        }

        yield return $"Every run is a process of its own: nativeamp train --model {settings.Model} "
            + $"{string.Join(' ', settings.TrainOptions.Select(option => $"{option.Key} {option.Value}"))}.";
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"Each configuration ran {settings.Repeats} times, with seeds from {settings.Seed}; in each repeat every "
                + $"configuration ran once, in an order drawn from seed {settings.Seed}."
        );
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"Speed is samples over the time of the steps, without the first {settings.Warmup} (at most a quarter of "
                + $"a run), which compile code and fill caches, and without tests of the accuracy."
        );
        yield return "Intervals are of 95 %, by Student's t for a mean and by Welch's for a difference; ratios are "
            + "compared by their logarithms. With few repeats they are wide, and say so.";
        yield return "The last loss is the mean of the last tenth of a run's steps. Memory is what a training step "
            + "takes of what the library handed out, counted by itself, tests left out; its kinds add up to its peak.";
        if (settings.ToAccuracy is { } accuracy)
            yield return $"Seconds and joules to {accuracy} are those of the training steps up to the first test that "
                + "found it, tests left out. Joules are those of a sample times the samples of all steps: the first "
                + "step, which no window of energy has, counts like the others. A run that never found it has "
                + "neither.";
        yield return "The profile is of a run of its own, which is in no other figure.";
        if (figures.IsGpu)
        {
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"Before each run the study waited until the GPU was at most {CoolDown.Near:0} °C warmer than before "
                    + $"the first, two minutes at the most."
            );
            yield return "NVML's utilization is the share of time in which at least one kernel ran, averaged over a "
                + "sixth of a second to a second: it says nothing of how full the GPU was. Its memory is that of the "
                + "whole device, others' processes included.";
        }
    }

    private static string Day(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);
}
