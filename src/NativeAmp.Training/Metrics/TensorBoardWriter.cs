using System.Globalization;

namespace NativeAmp.Training.Metrics;

/// <summary>
/// Writes scalars to an event file that TensorBoard reads: <c>tensorboard --logdir FOLDER</c>. Each record is written
/// whole and at once, so that TensorBoard can follow a run.
/// </summary>
/// <example>
/// <code>
/// using var board = new TensorBoardWriter("runs/first");
/// board.Attach(trainer);
/// </code>
/// </example>
public sealed class TensorBoardWriter : IDisposable
{
    private static int s_files;

    private readonly FileStream _stream;
    private readonly Lock _gate = new();

    /// <summary>Begins a file in a folder, which is created. Files of earlier runs stay.</summary>
    /// <param name="folder">The folder; TensorBoard shows its name as that of the run.</param>
    /// <exception cref="IOException">The file cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">Access is denied.</exception>
    public TensorBoardWriter(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        Directory.CreateDirectory(folder);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        // TensorBoard reads the files of a folder in the order of their names.
        File = Path.Combine(
            folder,
            string.Create(
                CultureInfo.InvariantCulture,
                $"events.out.tfevents.{now.ToUnixTimeSeconds():D10}.{Environment.MachineName}.{Environment.ProcessId}."
                    + $"{Interlocked.Increment(ref s_files):D6}"
            )
        );
        _stream = new FileStream(File, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        Write(new TensorBoardEvent(now, step: 0).WithVersion());
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>
    /// Writes a trainer's metrics from now on: of each step <c>train/loss</c>, <c>train/loss_scale</c>,
    /// <c>train/gradient_norm</c>, <c>train/learning_rate</c>, <c>train/skipped_steps</c> and
    /// <c>train/step_seconds</c>; of each pass <c>train/epoch_loss</c>, <c>test/accuracy</c> or <c>test/loss</c>, and
    /// <c>test/NAME</c> for each of <see cref="TrainerOptions.Metrics"/>. A run that resumes replaces the steps after
    /// its checkpoint.
    /// </summary>
    public void Attach(Trainer trainer) => Attach(trainer, write => write());

    /// <summary>The same; each write is handed to a function, which may see to its failures.</summary>
    internal void Attach(Trainer trainer, Action<Action> carryOut)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        trainer.StepCompleted += (_, step) => carryOut(() => Write(step));
        trainer.EpochCompleted += (_, epoch) => carryOut(() => Write(epoch));
        trainer.Resuming += (_, checkpoint) =>
        {
            if (checkpoint.Step is { } step)
                carryOut(() => Restart(step + 1));
        };
    }

    /// <summary>Writes the metrics of a step.</summary>
    /// <exception cref="IOException">The disk is full.</exception>
    public void Write(in StepReport step) =>
        Write(Now(step.Step).WithScalars(MetricSeries.OfSteps.Zip(MetricSeries.ValuesOf(step))));

    /// <summary>Writes the metrics of a pass.</summary>
    /// <exception cref="IOException">The disk is full.</exception>
    public void Write(EpochReport epoch)
    {
        ArgumentNullException.ThrowIfNull(epoch);
        Write(Now(epoch.Step).WithScalars(MetricSeries.ValuesOf(epoch)));
    }

    /// <summary>Writes a scalar, which TensorBoard keeps in float32.</summary>
    /// <param name="tag">Its name; the part before a slash is the group that TensorBoard shows it in.</param>
    /// <param name="value">The value; it may be NaN or infinite.</param>
    /// <param name="step">The step.</param>
    /// <exception cref="IOException">The disk is full.</exception>
    public void Write(string tag, double value, long step)
    {
        ArgumentException.ThrowIfNullOrEmpty(tag);
        Write(Now(step).WithScalars([(tag, value)]));
    }

    /// <summary>Makes TensorBoard forget steps that earlier files of the folder have, from one on.</summary>
    /// <param name="step">The first step to forget.</param>
    /// <exception cref="IOException">The disk is full.</exception>
    public void Restart(long step) => Write(Now(step).WithSessionStart());

    /// <summary>Closes the file.</summary>
    public void Dispose() => _stream.Dispose();

    private static TensorBoardEvent Now(long step) => new(DateTimeOffset.UtcNow, step);

    private void Write(TensorBoardEvent record)
    {
        lock (_gate)
            _stream.Write(record.ToRecord());
    }
}
