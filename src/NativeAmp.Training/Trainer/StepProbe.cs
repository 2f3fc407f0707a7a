using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>
/// Lets an inspector see the steps of a trainer. It keeps the state from before each step, reruns a step that failed,
/// and saves it. The results of the run do not change.
/// </summary>
/// <param name="inspector">The inspector.</param>
/// <param name="model">The model.</param>
/// <param name="optimizer">Its optimizer.</param>
/// <param name="scaler">The loss scaler.</param>
/// <param name="options">How the trainer trains.</param>
/// <param name="facts">Facts of the run.</param>
/// <param name="samples">Samples of a pass.</param>
internal sealed class StepProbe(
    StepInspector inspector,
    Module model,
    FusedOptimizer optimizer,
    GradScaler scaler,
    TrainerOptions options,
    RunFacts facts,
    long samples
)
{
    private readonly Parameter[] _buffers = [.. model.NamedBuffers().Select(entry => entry.Buffer).Distinct()];
    private StepPlace _place = new(0, 0, 0, []);
    private TrainingProgress _progress;
    private RandomState _random;
    private GradScalerState _scaler = new() { Scale = 1 };
    private float[][] _buffersBefore = [];

    /// <summary>Called when a step begins with a batch.</summary>
    /// <returns>An observer in force for its forward and backward pass, or null.</returns>
    public IDisposable? Begin(Batch batch, TrainingProgress progress)
    {
        long first = batch.Next.Sample - batch.Count;
        var shuffle = new Shuffle(samples, options.Seed, batch.Next.Epoch);
        _place = new StepPlace(
            progress.Step + 1,
            batch.Next.Epoch,
            first,
            [.. Enumerable.Range(0, batch.Count).Select(i => shuffle[first + i])]
        );
        _progress = progress;
        _random = options.Random.State;
        _scaler = scaler.SaveState();
        _buffersBefore = ReadBuffers();
        return inspector.Begin(_place)?.Observe(model);
    }

    public void GradientsReady() => inspector.GradientsReady(_place, model, _scaler.Scale);

    /// <summary>Called when the step failed. Parameters still have their values from before it.</summary>
    /// <param name="loss">Its loss.</param>
    /// <param name="passes">Does its forward and backward passes with a scaler.</param>
    public void Failed(float loss, Action<GradScaler> passes) =>
        inspector.Failed(new FailedStep(_place, loss, _scaler.Scale, model, observer => Rerun(observer, passes), Save));

    private void Rerun(ModelObserver observer, Action<GradScaler> passes)
    {
        RandomState random = options.Random.State;
        float[][] buffers = ReadBuffers();
        options.Random.State = _random;
        optimizer.ZeroGrad();
        try
        {
            using GradScaler sameScale = ScalerAsBefore();
            using TensorScope scope = TensorScope.Enter();
            using IDisposable observed = observer.Observe(model);
            using AutocastScope autocast = Autocast.Enter(options.Precision);
            passes(sameScale);
        }
        finally
        {
            options.Random.State = random;
            WriteBuffers(buffers);
        }
    }

    private void Save(string path, IReadOnlyDictionary<string, string> given)
    {
        OrderedDictionary<string, string> all = new(facts.Values);
        foreach ((string name, string value) in given)
        {
            if (RunFacts.IsReserved(name) || !all.TryAdd(name, value))
                throw new ArgumentException($"The fact '{name}' has a name of the trainer's own.", nameof(given));
        }

        float[][] buffers = ReadBuffers();
        WriteBuffers(_buffersBefore);
        try
        {
            using GradScaler before = ScalerAsBefore();
            var checkpoint = new TrainingCheckpoint(
                model,
                optimizer,
                before,
                new RandomGenerator(0) { State = _random },
                samples
            )
            {
                Progress = _progress,
            };
            CheckpointFile.Write(path, checkpoint.Items(), all);
        }
        finally
        {
            WriteBuffers(buffers);
        }
    }

    // The trainer's own generator is not changed.
    private GradScaler ScalerAsBefore()
    {
        var before = new GradScaler(scaler.Device, scaler.Options);
        before.LoadState(_scaler);
        return before;
    }

    private float[][] ReadBuffers() => [.. _buffers.Select(buffer => buffer.ToFloats())];

    private void WriteBuffers(float[][] values)
    {
        for (int i = 0; i < values.Length; i++)
            _buffers[i].CopyFrom<float>(values[i]);
    }
}
