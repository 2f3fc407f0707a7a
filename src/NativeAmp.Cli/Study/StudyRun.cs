using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Training.Checkpoints;

namespace NativeAmp.Cli.Study;

/// <summary>nativeamp study: makes all runs, one after the other, and writes the report.</summary>
internal sealed class StudyRun(StudySettings settings, StudyFolder folder, Terminal terminal, bool json, bool open)
{
    // All steps are alike, so a profile needs only a few.
    private const int ProfiledSteps = 12;

    private readonly StudyProgress _progress = StudyProgress.For(terminal, json);
    private readonly StudyClock _clock = new();

    /// <summary>Makes the runs that are not there yet.</summary>
    /// <returns>The exit code.</returns>
    public int Run()
    {
        Make(folder.Path);
        using FolderLock own = FolderLock.Take(folder.Path);
        folder.Begin(settings);
        using var stop = new CancellationTokenSource();
        using GpuTemperature? temperature =
            settings.TrainOptions.GetValueOrDefault("--device") == "cpu" ? null : new GpuTemperature();
        var coolDown = new CoolDown(temperature is null ? null : temperature.Read);
        bool finished;
        using (new StopSignals(stop))
            finished = _progress.Run(() => RunAll(coolDown, stop.Token));
        StudyFigures figures = StudyFigures.Read(folder);
        string? report = figures.Any is null ? null : StudyReport.Write(folder, figures);
        StudyOutput.Write(figures, report, interrupted: !finished, terminal, json);
        if (open && report is not null && finished)
            StudyOutput.Open(report, terminal);
        return !finished ? ExitCode.Interrupted
            : figures.Any is null ? ExitCode.Failure
            : ExitCode.Success;
    }

    private static void Make(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StudyException($"The folder {path} cannot be made: {e.Message}", e);
        }
    }

    /// <returns>False if it was stopped.</returns>
    private bool RunAll(CoolDown coolDown, CancellationToken stop)
    {
        IReadOnlyList<BatchLimit>? limits = [];
        if (settings.AutoBatch)
            limits = new BatchSearch(settings, folder).Search(run =>
                Make(run, BatchSearch.TrainOptions(settings), index: 1, [run], coolDown, stop)
            );
        if (limits is null)
            return false;
        IReadOnlyList<PlannedRun> plan = StudyPlan.Of(settings, BatchSearch.Configurations(settings, limits));
        for (int i = 0; i < plan.Count; i++)
        {
            PlannedRun run = plan[i];
            if (folder.Result(run) is { } known)
            {
                _clock.Add(run, known.Seconds);
                continue;
            }

            if (
                Make(
                    run,
                    run.Kind == RunKind.Profile ? ProfileOptions() : settings.TrainOptions,
                    i + 1,
                    plan,
                    coolDown,
                    stop
                )
                is null
            )
                return false;
        }

        return true;
    }

    /// <summary>Makes a run and saves its result.</summary>
    /// <returns>The result, or null if it was stopped.</returns>
    private RunResult? Make(
        PlannedRun run,
        IReadOnlyDictionary<string, string> options,
        int index,
        IReadOnlyList<PlannedRun> plan,
        CoolDown coolDown,
        CancellationToken stop
    )
    {
        string place = folder.Clear(run);
        Show(0);
        (double? temperature, double waited) = run.Kind == RunKind.Measured ? coolDown.Wait(stop) : default;
        if (stop.IsCancellationRequested)
            return null;
        DateTimeOffset started = DateTimeOffset.UtcNow;
        ChildRun.Ended ended = ChildRun.Run(
            TrainArguments.Of(settings, run, options, place),
            run.Kind == RunKind.Probe,
            Show,
            stop
        );
        if (stop.IsCancellationRequested || ended.ExitCode == ExitCode.Interrupted)
            return null;
        RunOutcome outcome = ended.ExitCode switch
        {
            ExitCode.Success => RunOutcome.Done,
            ExitCode.OutOfMemory or ExitCode.Killed => RunOutcome.OutOfMemory,
            _ => RunOutcome.Failed,
        };
        var result = new RunResult
        {
            Name = run.Name,
            Outcome = outcome,
            Reason = outcome == RunOutcome.Done ? null : ChildRun.Reason(ended),
            ExitCode = ended.ExitCode,
            Order = index,
            Started = started,
            Seconds = Math.Round(ended.Seconds, 3),
            StartTemperature = temperature,
            Waited = waited,
            Processor = Processor.Features,
            Summary = Summary(ended.Output),
        };
        // A run that fails before its first step, and not for memory, would fail every time: the data is wrong, or the
        // device is gone.
        if (outcome == RunOutcome.Failed && run.Kind != RunKind.Probe && !HasSteps(place))
            throw new StudyException(
                $"{run.Name} could not begin: {result.Reason} The runs before it are kept; the same command goes on "
                    + "from there."
            );
        folder.Keep(run, result);
        _clock.Add(run, result.Seconds);
        Note(run, result);
        return result;

        void Show(double seconds) =>
            _progress.Show(
                new StudyMoment(
                    run.Name,
                    index,
                    plan.Count,
                    _clock.Part(run, seconds),
                    _clock.Left(plan, index, seconds)
                )
            );
    }

    private OrderedDictionary<string, string> ProfileOptions()
    {
        var options = new OrderedDictionary<string, string>();
        foreach ((string name, string value) in BatchSearch.TrainOptions(settings))
            options[name] = value;
        options["--steps"] = ProfiledSteps.ToString(CultureInfo.InvariantCulture);
        return options;
    }

    private static JsonElement? Summary(string output)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(output);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null; // it failed before there was one
        }
    }

    private static bool HasSteps(string place) =>
        new FileInfo(Path.Combine(place, TrainArguments.Metrics)) is { Exists: true, Length: > 0 };

    private void Note(PlannedRun run, RunResult result)
    {
        string took = StudyProgress.Time(TimeSpan.FromSeconds(result.Seconds));
        if (result.Outcome != RunOutcome.Done)
            _progress.Note(
                $"{run.Name}: {(result.Outcome == RunOutcome.OutOfMemory ? "out of memory" : "failed")}, "
                    + $"{result.Reason}"
            );
        else if (run.Kind == RunKind.Measured)
            _progress.Note(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{run.Name}: {StudyReader.Read(folder, run, result, settings.Warmup).SamplesPerSecond:0.0} "
                        + $"samples/s, {took}"
                )
            );
        else
            _progress.Note($"{run.Name}: done, {took}");
    }
}
