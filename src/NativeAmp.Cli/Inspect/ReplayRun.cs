using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Training;

namespace NativeAmp.Cli.Inspect;

/// <summary>nativeamp train --replay: runs a failed step again, and shows every activation and gradient.</summary>
internal sealed class ReplayRun(string file, TrainSettings given, Terminal terminal, bool json)
{
    /// <summary>Runs the step.</summary>
    /// <returns>The exit code: failure if the outcome is not the recorded one.</returns>
    public int Run()
    {
        (TrainSettings settings, StepOutcome recorded) = ReplayFile.Read(file);
        settings = settings with
        {
            Data = given.Data ?? settings.Data,
            Device = given.Device,
            Threads = given.Threads,
            Metrics = null,
            Telemetry = null,
            Checkpoint = null,
            Every = null,
            Resume = false,
            Inspect = 1,
            InspectOut = null,
            GivenFacts = [],
            // to see the gradients too; they are not finite either, so the step is still skipped
            OnNan = NonFiniteLoss.GoOn,
        };
        var random = new RandomGenerator(settings.Seed);
        using Device device = CommonOptions.Open(settings.Device, terminal, settings.Threads);
        using TrainTask task = TrainTask.Create(settings, device, random);
        var inspector = new OneStep(settings.Precision.ComputeType());
        using var trainer = new Trainer(
            task.Model,
            task.Train,
            task.Test,
            device,
            new TrainRun(settings, terminal, json).Options(task, random) with
            {
                Inspector = inspector,
            }
        );
        StepReport step = trainer.Replay(file);

        TensorReport? first = Overflow.First(inspector.Observer.Reports);
        var outcome = new StepOutcome(
            MetricsWriter.Finite(step.Loss),
            step.Scale,
            step.Skipped || !float.IsFinite(step.Loss),
            first is null ? null : Overflow.Name(first)
        );
        bool same = outcome == recorded;
        if (json)
        {
            StepPlace place = inspector.Place!;
            var record = new StepRecord(
                step.Step,
                settings.Precision.ToString().ToLowerInvariant(),
                step.Scale,
                place.Epoch,
                place.FirstSample,
                outcome.Failed,
                outcome.Loss,
                outcome.FirstOverflow,
                place.Samples,
                file,
                inspector.Observer.Reports,
                inspector.Observer.Totals
            );
            terminal.Output.WriteLine(
                JsonSerializer.Serialize(new ReplayReport(record, recorded, same), StepJson.Default.ReplayReport)
            );
        }
        else
        {
            Write(inspector, settings, task.Model, step, first);
            terminal.Output.WriteLine(
                same
                    ? "The outcome is the recorded one."
                    : $"Recorded was another outcome: loss {Loss(recorded.Loss)}, "
                        + $"{recorded.FirstOverflow ?? "nothing overflowed"}."
            );
        }

        return same ? ExitCode.Success : ExitCode.Failure;
    }

    private void Write(OneStep inspector, TrainSettings settings, Module model, StepReport step, TensorReport? first)
    {
        NumberFormat compute = LiveInspector.ComputeFormat(settings.Precision);
        IReadOnlyList<TensorReport> reports = inspector.Observer.Reports;
        terminal.WriteTable(
            ["", "kind", "module", "type", "values", "zeros", "powers of two", $"in {compute.Name}", "not finite"],
            [
                .. reports.Select(report =>
                    (IReadOnlyList<string>)
                        [
                            report == first ? "→" : "",
                            report.Kind,
                            report.Name,
                            report.DType,
                            FigureText.Number(report.Count),
                            FigureText.Share(report.Zeros, report.Count),
                            FigureText.Range(report),
                            FigureText.Cell(report, report.Of(compute)),
                            FigureText.NotFinite(report),
                        ]
                ),
            ]
        );
        terminal.Output.WriteLine();
        StepPlace place = inspector.Place!;
        terminal.Output.WriteLine(
            $"Step {step.Step} again, epoch {place.Epoch + 1}, samples {place.FirstSample} to "
                + $"{place.FirstSample + place.Samples.Count - 1} of the pass: "
                + $"loss {SummaryText.Loss(step.Loss)} at a loss scale of "
                + $"{ProgressFigures.Scale(step.Scale)}{(step.Skipped ? ", skipped" : "")}."
        );
        terminal.Output.WriteLine(Overflow.Describe(first, reports, model, compute, step.Scale));
    }

    private static string Loss(double? loss) => loss is { } value ? SummaryText.Loss(value) : "not finite";

    private sealed class OneStep(DType compute) : StepInspector
    {
        public StatisticsObserver Observer { get; } = new(compute);

        public StepPlace? Place { get; private set; }

        public override ModelObserver? Begin(StepPlace place)
        {
            Place = place;
            return Observer;
        }

        public override void GradientsReady(StepPlace place, Module model, float scale) =>
            Observer.AddParameters(model);
    }
}
