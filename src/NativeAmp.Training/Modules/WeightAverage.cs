namespace NativeAmp.Training;

/// <summary>
/// A moving average of a model's parameters in float32, for evaluation: exponential as PyTorch's
/// <c>AveragedModel</c> with <c>get_ema_multi_avg_fn</c>, or the mean of all updates (stochastic weight averaging).
/// An update is one native call for any number of parameters. Buffers, such as running statistics, stay the model's.
/// </summary>
/// <example>
/// <code>
/// using var average = new WeightAverage(model, decay: 0.999);
/// …
/// scaler.Step(optimizer);
/// scaler.Update();
/// average.Update();
/// …
/// using (average.Apply())
///     Evaluate(model);
/// </code>
/// </example>
public sealed class WeightAverage : IDisposable
{
    private const int AverageColumn = 0;
    private const int ValueColumn = 1;

    private readonly double? _decay;
    private readonly Parameter[] _parameters;
    private readonly Tensor[] _averages;
    private readonly TensorTable _table;
    private TensorCell[] _values;
    private AppliedAverage? _applied;

    /// <summary>An exponential average; the first update takes the parameters as they are then.</summary>
    /// <param name="model">The model, on its device. It must stay there.</param>
    /// <param name="decay">From 0 to 1: the share of the average that an update keeps.</param>
    /// <exception cref="ArgumentException">The model has no parameters on a device.</exception>
    public WeightAverage(Module model, double decay = 0.999)
        : this(model, (double?)Checked(decay)) { }

    private WeightAverage(Module model, double? decay)
    {
        ArgumentNullException.ThrowIfNull(model);
        _decay = decay;
        _parameters = [.. model.Parameters().Where(parameter => parameter.Count > 0)];
        if (_parameters.Length == 0 || _parameters.Any(parameter => !parameter.HasDevice))
            throw new ArgumentException(
                "An average is of parameters that are on a device: move the model there with To(device) before.",
                nameof(model)
            );
        Device = _parameters[0].Device;
        using (TensorScope.Enter())
            _averages = Array.ConvertAll(
                _parameters,
                parameter => Tensor.Zeros(Device, DType.Float32, parameter.Shape).Keep()
            );
        _values = Cells(_parameters);
        _table = TensorTable.Create(
            Device,
            Array.ConvertAll(_parameters, parameter => parameter.Count),
            Cells(_averages),
            _values
        );
    }

    /// <summary>The model's device.</summary>
    public Device Device { get; }

    /// <summary>Number of updates.</summary>
    public long Updates { get; private set; }

    /// <summary>The averages, float32, by the parameters' names.</summary>
    public IEnumerable<(string Name, Tensor Average)> Averages =>
        _parameters.Zip(_averages, (parameter, average) => (parameter.Name, average));

    /// <summary>An average that gives each update the same weight: the mean of all of them.</summary>
    /// <param name="model">As for an exponential one.</param>
    /// <exception cref="ArgumentException">The model has no parameters on a device.</exception>
    public static WeightAverage Equal(Module model) => new(model, (double?)null);

    /// <summary>
    /// Takes the parameters as they are now into the average. Call it after an optimizer's step; a step that was
    /// skipped counts, as in PyTorch. Of parameters in bfloat16 with remainders it takes the bfloat16 values.
    /// </summary>
    /// <exception cref="InvalidOperationException">The average is applied to the model, a step is being captured, or a
    /// parameter moved to another device.</exception>
    public void Update() => Move(Updates == 0 ? 1 : (float)(_decay is { } decay ? 1 - decay : 1.0 / (Updates + 1)));

    /// <summary>
    /// Begins anew from the parameters as they are now, for a run that goes on: load the file of averages into the
    /// model, call this, and load the parameters.
    /// </summary>
    /// <param name="updates">The number of updates that those averages had, 1 or more.</param>
    /// <exception cref="InvalidOperationException">As for <see cref="Update"/>.</exception>
    public void Restart(long updates)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(updates);
        Move(1);
        Updates = updates;
    }

    /// <summary>
    /// Gives the model the averages, each rounded to its parameter's type, until the result is disposed; then the
    /// parameters are as before, masters included. Do not train meanwhile.
    /// </summary>
    /// <exception cref="InvalidOperationException">There was no update, or the average is applied already.</exception>
    public AppliedAverage Apply()
    {
        if (Updates == 0)
            throw new InvalidOperationException("There is no average yet: call Update after a step before.");
        lock (Device.Gate)
        {
            Prepare();
            var applied = new AppliedAverage(this, _parameters);
            AmpKernels.CastTable(_table, ValueColumn, AverageColumn);
            foreach (Parameter parameter in _parameters)
                parameter.MarkChanged();
            _applied = applied;
            return applied;
        }
    }

    /// <summary>Gives the averages' memory back, and the parameters to the model if the average is applied.</summary>
    public void Dispose()
    {
        _applied?.Dispose();
        _table.Dispose();
        foreach (Tensor average in _averages)
            average.Dispose();
    }

    internal void Ended(AppliedAverage applied)
    {
        if (_applied == applied)
            _applied = null;
    }

    private static double Checked(double decay) =>
        decay is >= 0 and <= 1
            ? decay
            : throw new ArgumentOutOfRangeException(
                nameof(decay),
                decay,
                "A decay is the share of the average that an update keeps, from 0 to 1; 0.999 is usual."
            );

    private void Move(float weight)
    {
        lock (Device.Gate)
        {
            Prepare();
            AmpKernels.AverageTable(_table, AverageColumn, ValueColumn, weight);
            Updates++;
        }
    }

    // Checks that the parameters are the model's own, and finds out where they are.
    private void Prepare()
    {
        if (_applied is not null)
            throw new InvalidOperationException("The average is applied to the model: dispose the result of Apply.");
        if (DeviceGraph.CapturedOn(Device) is not null)
            throw new InvalidOperationException(
                "An average's weight changes from update to update: call Update behind the captured step."
            );
        if (Array.Find(_parameters, parameter => parameter.Device != Device) is { } moved)
            throw new InvalidOperationException(
                $"{moved.Describe()} moved to another device: make the average after the model is there."
            );
        TensorCell[] values = Cells(_parameters);
        if (values.AsSpan().SequenceEqual(_values))
            return;
        _table.SetColumn(ValueColumn, values);
        _values = values;
    }

    private static unsafe TensorCell[] Cells(Tensor[] tensors) =>
        Array.ConvertAll(tensors, tensor => new TensorCell((nint)tensor.Pointer, tensor.DType));
}

/// <summary>The time in which a model has its averages; disposing it gives the parameters back.</summary>
public sealed class AppliedAverage : IDisposable
{
    private readonly WeightAverage _average;
    private readonly Parameter[] _parameters;

    // Of float32 parameters on the device; of others the masters, with the remainders of optimizers.
    private readonly Storage?[] _kept;
    private readonly float[]?[] _masters;
    private bool _isOver;

    internal unsafe AppliedAverage(WeightAverage average, Parameter[] parameters)
    {
        _average = average;
        _parameters = parameters;
        _kept = new Storage?[parameters.Length];
        _masters = new float[]?[parameters.Length];
        for (int i = 0; i < parameters.Length; i++)
        {
            Parameter parameter = parameters[i];
            if (parameter.DType != DType.Float32)
            {
                _masters[i] = parameter.ReadMaster();
                continue;
            }

            _kept[i] = Storage.Allocate(average.Device, DType.Float32, parameter.Count, MemoryKind.Other);
            average.Device.CopyOnDevice((nint)_kept[i]!.Pointer, (nint)parameter.Pointer, parameter.Bytes);
        }
    }

    /// <summary>Gives the model its parameters back. A second call does nothing.</summary>
    public unsafe void Dispose()
    {
        if (_isOver)
            return;
        _isOver = true;
        lock (_average.Device.Gate)
        {
            for (int i = 0; i < _parameters.Length; i++)
            {
                Parameter parameter = _parameters[i];
                if (_masters[i] is { } master)
                {
                    parameter.WriteMaster(master);
                    continue;
                }

                Storage kept = _kept[i]!;
                _average.Device.CopyOnDevice((nint)parameter.Pointer, (nint)kept.Pointer, parameter.Bytes);
                parameter.MarkChanged();
                kept.Drop();
            }
        }

        _average.Ended(this);
    }
}
