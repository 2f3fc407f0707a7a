namespace NativeAmp.Training;

/// <summary>Where a step stands: what it takes to find its batch again.</summary>
/// <param name="Step">Its number, from 1.</param>
/// <param name="Epoch">Passes over the data before its own, from 0.</param>
/// <param name="FirstSample">Samples of its pass before its own.</param>
/// <param name="Samples">Indices of its samples in the data set.</param>
public sealed record StepPlace(long Step, long Epoch, long FirstSample, IReadOnlyList<long> Samples);

/// <summary>
/// Looks into the steps of a <see cref="Trainer"/>, as <see cref="TrainerOptions.Inspector"/>. What a run computes
/// stays the same; the host waits for the loss of each step and, where a step failed, for that step once more.
/// </summary>
public abstract class StepInspector
{
    /// <summary>A step begins.</summary>
    /// <returns>Who is to see its activations and gradients; null for nobody.</returns>
    public virtual ModelObserver? Begin(StepPlace place) => null;

    /// <summary>
    /// The backward pass is done: gradients are there, multiplied by the loss scale; nothing was unscaled, clipped or
    /// changed.
    /// </summary>
    /// <param name="place">The step.</param>
    /// <param name="model">The model, with its gradients.</param>
    /// <param name="scale">The loss scale.</param>
    public virtual void GradientsReady(StepPlace place, Module model, float scale) { }

    /// <summary>A step's loss is not finite, or it was skipped since a gradient is not.</summary>
    public virtual void Failed(FailedStep step) { }
}

/// <summary>
/// A step whose loss or gradients were not finite, with the state that it began with. Good until the call that it is
/// given to returns.
/// </summary>
public sealed class FailedStep
{
    private readonly Action<ModelObserver> _rerun;
    private readonly Action<string, IReadOnlyDictionary<string, string>> _save;

    internal FailedStep(
        StepPlace place,
        float loss,
        float scale,
        Module model,
        Action<ModelObserver> rerun,
        Action<string, IReadOnlyDictionary<string, string>> save
    )
    {
        (Place, Loss, Scale, Model, _rerun, _save) = (place, loss, scale, model, rerun, save);
    }

    /// <summary>Where it stands.</summary>
    public StepPlace Place { get; }

    /// <summary>The loss of its batch, not scaled.</summary>
    public float Loss { get; }

    /// <summary>The loss scale that it was done with.</summary>
    public float Scale { get; }

    /// <summary>The model, with the parameters that the step began with.</summary>
    public Module Model { get; }

    /// <summary>
    /// Runs its forward and backward pass again: the same batch, scale and random numbers. The run goes on as if that
    /// had not been.
    /// </summary>
    /// <param name="observer">Sees its activations and gradients.</param>
    public void Rerun(ModelObserver observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        _rerun(observer);
    }

    /// <summary>Saves the state that the step began with, for <see cref="Trainer.Replay"/>.</summary>
    /// <param name="path">The file, which is written in one atomic step.</param>
    /// <param name="facts">Strings that go with it, under names that are not the trainer's.</param>
    /// <exception cref="ArgumentException">A name is the trainer's.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Save(string path, IReadOnlyDictionary<string, string> facts)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(facts);
        _save(path, facts);
    }
}
