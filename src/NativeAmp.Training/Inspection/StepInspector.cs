namespace NativeAmp.Training;

/// <summary>The place of a step in a run, from which its batch can be found again.</summary>
/// <param name="Step">Number of the step, from 1.</param>
/// <param name="Epoch">Passes over the data before this one, from 0.</param>
/// <param name="FirstSample">Samples of the pass before the step's own.</param>
/// <param name="Samples">Indices of its samples in the data set.</param>
public sealed record StepPlace(long Step, long Epoch, long FirstSample, IReadOnlyList<long> Samples);

/// <summary>
/// Inspects the steps of a <see cref="Trainer"/>, as <see cref="TrainerOptions.Inspector"/>. It does not change the
/// results of a run. The host waits for the loss of each step; a step that failed is run once more.
/// </summary>
public abstract class StepInspector
{
    /// <summary>Called when a step begins.</summary>
    /// <returns>The observer of its activations and gradients; null for none.</returns>
    public virtual ModelObserver? Begin(StepPlace place) => null;

    /// <summary>
    /// Called after the backward pass. Gradients are still multiplied by the loss scale; nothing was unscaled, clipped
    /// or updated.
    /// </summary>
    /// <param name="place">The step.</param>
    /// <param name="model">The model, with its gradients.</param>
    /// <param name="scale">The loss scale.</param>
    public virtual void GradientsReady(StepPlace place, Module model, float scale) { }

    /// <summary>
    /// Called when a step's loss is not finite, or when the step was skipped because a gradient is not.
    /// </summary>
    public virtual void Failed(FailedStep step) { }
}

/// <summary>
/// A step whose loss or gradients were not finite, with the state before the step. Valid until the call that it is
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

    /// <summary>The place of the step.</summary>
    public StepPlace Place { get; }

    /// <summary>The loss of its batch, not scaled.</summary>
    public float Loss { get; }

    /// <summary>The loss scale of the step.</summary>
    public float Scale { get; }

    /// <summary>The model, with the parameters from before the step.</summary>
    public Module Model { get; }

    /// <summary>
    /// Runs the step's forward and backward pass again, with the same batch, scale and random numbers. The run goes on
    /// as if this had not happened.
    /// </summary>
    /// <param name="observer">Sees its activations and gradients.</param>
    public void Rerun(ModelObserver observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        _rerun(observer);
    }

    /// <summary>Saves the state from before the step, for <see cref="Trainer.Replay"/>.</summary>
    /// <param name="path">The file, which is written in one atomic step.</param>
    /// <param name="facts">Strings to save with it. Their names must not be the trainer's.</param>
    /// <exception cref="ArgumentException">A name is the trainer's.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Save(string path, IReadOnlyDictionary<string, string> facts)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(facts);
        _save(path, facts);
    }
}
