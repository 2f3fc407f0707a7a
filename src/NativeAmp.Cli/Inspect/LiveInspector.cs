using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Train;
using NativeAmp.Training;

namespace NativeAmp.Cli.Inspect;

/// <summary>
/// Inspects a run (--inspect): activations, gradients and parameters every N steps. A step that fails is run once more,
/// to find the first overflow, and its state is saved for --replay.
/// </summary>
internal sealed class LiveInspector : StepInspector, IDisposable
{
    private const int MostReplays = 3;

    private readonly TrainSettings _settings;
    private readonly NumberFormat _compute;
    private readonly DType _dtype;
    private readonly StreamWriter? _out;
    private readonly Queue<string> _replays = new();
    private StatisticsObserver? _observer;
    private ITrainProgress? _progress;
    private OutputGuard? _outputs;

    /// <summary>An inspector of a run.</summary>
    /// <param name="settings">The settings of the run.</param>
    /// <exception cref="IOException">The file of --inspect-out cannot be created.</exception>
    public LiveInspector(TrainSettings settings)
    {
        _settings = settings;
        _compute = ComputeFormat(settings.Precision);
        _dtype = settings.Precision.ComputeType();
        if (settings.InspectOut is not { } path)
            return;
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            Directory.CreateDirectory(folder);
        _out = new StreamWriter(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read))
        {
            NewLine = "\n",
        };
    }

    /// <summary>
    /// The format that numbers are compared with: the one that operators compute in. For a run in float32 it is fp16,
    /// to show what that would lose.
    /// </summary>
    public static NumberFormat ComputeFormat(PrecisionKind precision) =>
        precision == PrecisionKind.Bf16 ? NumberFormat.BFloat16 : NumberFormat.Float16;

    /// <summary>Sets where lines are shown, and the guard for a file that cannot be written.</summary>
    public void Attach(ITrainProgress progress, OutputGuard outputs) => (_progress, _outputs) = (progress, outputs);

    public void Dispose()
    {
        try
        {
            _out?.Dispose();
        }
        catch (IOException)
        {
            // Every line was flushed, so a failure was reported before.
        }
    }

    public override ModelObserver? Begin(StepPlace place)
    {
        _observer = place.Step == 1 || place.Step % _settings.Inspect == 0 ? new StatisticsObserver(_dtype) : null;
        return _observer;
    }

    public override void GradientsReady(StepPlace place, Module model, float scale)
    {
        if (_observer is not { } observer)
            return;
        observer.AddParameters(model);
        StepRecord record = Record(place, scale, observer);
        Write(record);
        Note($"inspect step {place.Step}, loss scale {ProgressFigures.Scale(scale)}: {Summary(record)}");
    }

    public override void Failed(FailedStep step)
    {
        var observer = new StatisticsObserver(_dtype);
        step.Rerun(observer);
        observer.AddParameters(step.Model);
        TensorReport? first = Overflow.First(observer.Reports);
        string? name = first is null ? null : Overflow.Name(first);
        var outcome = new StepOutcome(MetricsWriter.Finite(step.Loss), step.Scale, Failed: true, name);
        string? replay = Save(step, outcome);
        Write(
            Record(step.Place, step.Scale, observer) with
            {
                Failed = true,
                Loss = outcome.Loss,
                FirstOverflow = name,
                Samples = step.Place.Samples,
                Replay = replay,
            }
        );
        Note(
            string.Create(
                CultureInfo.InvariantCulture,
                $"inspect step {step.Place.Step}: the loss is {SummaryText.Loss(step.Loss)}, at a loss scale of "
                    + $"{ProgressFigures.Scale(step.Scale)}, epoch {step.Place.Epoch + 1}, "
            )
                + $"samples {step.Place.FirstSample} to {step.Place.FirstSample + step.Place.Samples.Count - 1} of "
                + "the pass. "
                + Overflow.Describe(first, observer.Reports, step.Model, _compute, step.Scale)
                + (replay is null ? "" : $" Run it again: nativeamp train --replay {replay}")
        );
    }

    /// <summary>Makes a record of a step's figures.</summary>
    public StepRecord Record(StepPlace place, float scale, StatisticsObserver observer) =>
        new(
            place.Step,
            _settings.Precision.ToString().ToLowerInvariant(),
            scale,
            place.Epoch,
            place.FirstSample,
            Failed: false,
            Loss: null,
            FirstOverflow: null,
            Samples: null,
            Replay: null,
            observer.Reports,
            observer.Totals
        );

    private string Summary(StepRecord record) =>
        string.Join(
            "; ",
            record.Totals.Select(total =>
            {
                FormatReport all = total.Of(_compute);
                string text =
                    $"{total.Kind}s "
                    + (FigureText.NotFinite(total) is { Length: > 0 } bad ? bad + ", " : "")
                    + (all.Overflow > 0 ? $"{FigureText.Share(all.Overflow, total.Values)} overflow, " : "")
                    + (all.Underflow > 0 ? $"{FigureText.Share(all.Underflow, total.Values)} become zero, " : "")
                    + $"{FigureText.Share(all.Subnormal, total.Values)} subnormal, "
                    + $"{FigureText.Share(total.Zeros, total.Count)} zero";
                TensorReport worst = record
                    .Tensors.Where(tensor =>
                        tensor.Kind == total.Kind
                        && (tensor.DType == StatisticsObserver.TypeName(_dtype) || tensor.Kind == TensorKinds.Parameter)
                    )
                    .MaxBy(tensor => Lost(tensor, _compute))!;
                return Lost(worst, _compute) < 0.01
                    ? text
                    : $"{text} (most: {worst.Name}, {FigureText.Cell(worst, worst.Of(_compute))})";
            })
        );

    private static double Lost(TensorReport tensor, NumberFormat compute) =>
        tensor.Values == 0 ? 0
        : tensor.Of(compute) is var format
            ? (double)(format.Overflow + format.Underflow + format.Subnormal) / tensor.Values
        : 0;

    private string? Save(FailedStep step, StepOutcome outcome)
    {
        if (_settings.InspectOut is not { } path || _settings.Data == TrainSettings.StandardInput)
            return null;
        string? file = null;
        _outputs?.Write(() => file = ReplayFile.Save(step, _settings, outcome, path));
        if (file is null)
            return null;
        _replays.Enqueue(file);
        // Keep only the newest few: each is as large as a checkpoint.
        if (_replays.Count > MostReplays)
            File.Delete(_replays.Dequeue());
        return file;
    }

    private void Note(string text) => _outputs?.Write(() => _progress?.Note(text));

    private void Write(StepRecord record)
    {
        if (_out is null)
            return;
        _outputs?.Write(() =>
        {
            _out.WriteLine(JsonSerializer.Serialize(record, StepJson.Default.StepRecord));
            _out.Flush();
        });
    }
}
