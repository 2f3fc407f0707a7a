using NativeAmp.Training;

namespace NativeAmp.Extensions;

/// <summary>
/// A model that answers many requests at once, and takes over the weights of another one that is being trained. Every
/// prediction sees the weights of one moment.
/// </summary>
/// <typeparam name="TModel">The model's type.</typeparam>
public sealed class ServedModel<TModel> : IDisposable
    where TModel : Module
{
    // Predictions share it; taking over weights excludes them.
    private readonly ReaderWriterLockSlim _weights = new();
    private readonly TModel _model;
    private readonly PrecisionPolicy _precision;
    private long _updates;
    private int _disposed;

    /// <summary>Serves a model.</summary>
    /// <param name="model">The model, which is moved to the device and set to evaluation mode. It is the served
    /// model's from now on, and disposed with it.</param>
    /// <param name="device">The device to compute on.</param>
    /// <param name="precision">The types to compute in.</param>
    public ServedModel(TModel model, Device device, PrecisionPolicy precision)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(precision);
        _model = model.To(device);
        _model.Eval();
        _precision = precision;
        Device = device;
    }

    /// <summary>The device.</summary>
    public Device Device { get; }

    /// <summary>Number of times that weights were taken over or loaded.</summary>
    public long Updates => Interlocked.Read(ref _updates);

    /// <summary>
    /// Computes a prediction, without gradients and in the served precision. Any number of threads may call it at once.
    /// </summary>
    /// <typeparam name="TResult">Plain values, not tensors: those that operators return are released when the function
    /// returns.</typeparam>
    /// <param name="predict">Computes with the model and returns values, for example by <see cref="Tensor.ToFloats"/>.
    /// An input that it makes by <see cref="Tensor.From{T}(Device, T[], Shape)"/> is its own to dispose of.</param>
    /// <exception cref="InvalidOperationException">The result is a tensor or a task.</exception>
    public TResult Predict<TResult>(Func<TModel, TResult> predict)
    {
        ArgumentNullException.ThrowIfNull(predict);
        if (typeof(TResult).IsAssignableTo(typeof(Tensor)) || typeof(TResult).IsAssignableTo(typeof(Task)))
            throw new InvalidOperationException(
                $"A prediction returns values, and no {typeof(TResult).Name}: its weights are only held until the "
                    + "function returns. Read a tensor by ToFloats or ToArray within it."
            );
        _weights.EnterReadLock();
        try
        {
            using NoGrad noGrad = NoGrad.Enter();
            using TensorScope scope = TensorScope.Enter();
            using AutocastScope autocast = Autocast.Enter(_precision);
            return predict(_model);
        }
        finally
        {
            _weights.ExitReadLock();
        }
    }

    /// <summary>
    /// Takes over the parameters and buffers of a model of the same form, for example in a handler of
    /// <see cref="Trainer.EpochCompleted"/>. Predictions wait only while values are written.
    /// </summary>
    /// <param name="trained">The other model. Nobody may write its parameters meanwhile: within a trainer's events
    /// nobody does.</param>
    /// <exception cref="ArgumentException">Names or shapes differ. Nothing was changed.</exception>
    public void Update(TModel trained)
    {
        ArgumentNullException.ThrowIfNull(trained);
        (string Name, Parameter Values)[] own = [.. _model.State()];
        (string Name, Parameter Values)[] other = [.. trained.State()];
        string[] wrong =
        [
            .. Names(own).Except(Names(other)).Select(name => $"{name} is missing"),
            .. Names(other).Except(Names(own)).Select(name => $"{name} is unexpected"),
        ];
        if (wrong.Length > 0)
            throw new ArgumentException(
                $"The trained model has another form than the served one: {string.Join(", ", wrong)}.",
                nameof(trained)
            );
        float[][] values = [.. other.Select(entry => entry.Values.ReadMaster())];
        Dictionary<string, Parameter> byName = own.ToDictionary(entry => entry.Name, entry => entry.Values);
        Write(() =>
        {
            for (int i = 0; i < other.Length; i++)
                byName[other[i].Name].WriteMaster(values[i]);
        });
    }

    /// <summary>Reads the weights from a safetensors file, as <see cref="Module.Load"/> does.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="Training.Checkpoints.CheckpointException">Names, shapes or types do not fit. Nothing was
    /// changed.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Load(string path) => Write(() => _model.Load(path));

    /// <summary>Waits for predictions, and gives the model's memory back.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        Write(_model.Dispose);
        _weights.Dispose();
    }

    private static IEnumerable<string> Names((string Name, Parameter Values)[] state) =>
        state.Select(entry => $"{entry.Name} {entry.Values.Shape}");

    private void Write(Action write)
    {
        _weights.EnterWriteLock();
        try
        {
            write();
            Interlocked.Increment(ref _updates);
        }
        finally
        {
            _weights.ExitWriteLock();
        }
    }
}
