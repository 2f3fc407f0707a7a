namespace NativeAmp.Training;

/// <summary>
/// A learned tensor: its values, the gradient that backward passes accumulate, and for float32 values a half-precision
/// copy if low-precision operators use it. Values are float32 until <see cref="ModuleExtensions.To{T}(T, DType)"/>
/// makes them bfloat16 or float16, which operators compute with as they are. They are in host memory until its module
/// is moved to a device.
/// </summary>
public sealed partial class Parameter : Tensor, ITrackedParameter
{
    private Array? _host;
    private Storage? _half;
    private readonly Lock _halfLock = new();
    private DType _halfDType;
    private long _halfVersion;
    private long _changes;
    private bool _padsRows;

    /// <summary>
    /// A parameter with these values, in host memory until <see cref="ModuleExtensions.To{T}(T, Device)"/>.
    /// </summary>
    /// <exception cref="ArgumentException">The shape has another number of elements.</exception>
    public Parameter(ReadOnlySpan<float> values, Shape shape)
        : base(shape, DType.Float32)
    {
        EnsureCount(shape, values.Length, nameof(values));
        _host = values.ToArray();
        RequiresGrad = true;
    }

    /// <summary>
    /// The name within the model, such as "0.weight"; empty until the model is moved to a device or its parameters are
    /// listed.
    /// </summary>
    public string Name { get; internal set; } = "";

    /// <summary>
    /// Whether optimizers made from now on keep their state of it in float32, whatever
    /// <see cref="OptimizerOptions.StateFormat"/> says. An <see cref="Embedding"/>'s table does.
    /// </summary>
    public bool KeepsFloat32State { get; set; }

    /// <summary>
    /// Whether <see cref="ModuleExtensions.To{T}(T, DType)"/> leaves it in float32. Parameters that operators read in
    /// float32 under <see cref="Autocast"/> do: the weights and biases of norms, whose kernels take no other type, an
    /// <see cref="Embedding"/>'s table and a <see cref="Gpt"/>'s positions, which are terms of a float32 sum, and
    /// buffers. Set it to false for a large table that is to be in half precision as well.
    /// </summary>
    public bool KeepsFloat32 { get; set; }

    ReadOnlySpan<long> IParameter.Shape => Shape.Dimensions;

    /// <summary>Device pointer to the elements, which an optimizer reads and writes.</summary>
    unsafe nint IParameter.Data => (nint)Pointer;

    unsafe TensorCell IParameter.Gradient
    {
        get
        {
            if (GradientBufferOrNull is not { HasValue: true } gradient)
                return default;
            gradient.EnsureUsable();
            // An optimizer is about to write the values; the parameter may have been disposed.
            _ = Storage;
            return new TensorCell((nint)gradient.Storage.Pointer, gradient.DType);
        }
    }

    unsafe TensorCell IParameter.ComputeCopy =>
        _half is null ? default : new TensorCell((nint)_half.Pointer, _halfDType);

    OptimizerLinks ITrackedParameter.Optimizers => Optimizers;

    internal OptimizerLinks Optimizers { get; } = new();

    /// <summary>Whether the values are in host memory because no device has them yet.</summary>
    internal bool IsOnHost => _host is not null;

    /// <summary>
    /// Elements that a compute copy and a gradient have room for: zeros behind the copy's rows fill up their number to
    /// a multiple of <see cref="RowPadding.Multiple"/>, once <see cref="PadRows"/> was called.
    /// </summary>
    internal long Capacity => Volatile.Read(ref _padsRows) ? RowPadding.Of(Shape[0]) * Shape[1] : Count;

    // Writes by others than optimizers.
    private long Changes => Volatile.Read(ref _changes) + (IsAlive ? Storage.Version : 0);

    void IParameter.ClearGradient() => GradientBufferOrNull?.Clear();

    bool ITrackedParameter.HasNewGradient => GradientBufferOrNull is { HasValue: true, IsNew: true };

    void ITrackedParameter.WidenGradient() => GradientBufferOrNull?.Widen();

    internal override void Read<T>(Span<T> destination, long offset = 0)
    {
        if (_host is null)
            base.Read(destination, offset);
        else
            HostSpan<T>().Slice((int)offset, destination.Length).CopyTo(destination);
    }

    /// <inheritdoc/>
    /// <remarks>The master that an optimizer keeps of a bfloat16 parameter is then this value; see
    /// <see cref="WriteMaster"/>.</remarks>
    public override void CopyFrom<T>(ReadOnlySpan<T> source)
    {
        if (_host is not null)
        {
            CheckHost<T>(source.Length);
            source.CopyTo(HostSpan<T>());
            return;
        }

        base.CopyFrom(source);
        Optimizers.ForgetRemainder();
    }

    private protected override Span<T> HostSpan<T>()
    {
        CheckType<T>();
        return _host is null ? base.HostSpan<T>() : ((T[])_host).AsSpan();
    }

    private protected override void MarkWritten()
    {
        base.MarkWritten();
        Optimizers.ForgetRemainder();
    }

    /// <summary>
    /// A copy of the float32 master: the values with the remainders that an optimizer keeps of them
    /// (<see cref="MasterFormat.Remainder"/>), or else the values, widened. Files and checkpoints have masters.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The parameter was disposed.</exception>
    public float[] ReadMaster() => Optimizers.ReadMaster() ?? ToFloats();

    /// <summary>
    /// Sets the float32 master: the values are rounded to the parameter's type, and an optimizer that keeps remainders
    /// gets these, too.
    /// </summary>
    /// <param name="master">As many numbers as the parameter has elements.</param>
    /// <exception cref="ArgumentException">There is another number of them.</exception>
    /// <exception cref="ObjectDisposedException">The parameter was disposed.</exception>
    public void WriteMaster(ReadOnlySpan<float> master)
    {
        EnsureCount(Shape, master.Length, nameof(master));
        if (DType == DType.Float32)
        {
            CopyFrom(master);
            return;
        }

        float[] values = master.ToArray();
        if (Optimizers.WriteMaster(values))
            Storage.MarkWritten();
        else if (DType == DType.BFloat16)
            CopyFrom<BFloat16>(Array.ConvertAll(values, value => (BFloat16)value));
        else
            CopyFrom<Half>(Array.ConvertAll(values, value => (Half)value));
    }

    /// <summary>
    /// Marks the values as changed through their pointer. The compute copy is then cast again before it is used, a
    /// remainder that an optimizer keeps is 0, and a backward pass that needs the old values is refused. Optimizers of
    /// this library write the compute copy themselves and need no call.
    /// </summary>
    public void MarkChanged()
    {
        Interlocked.Increment(ref _changes);
        Optimizers.ForgetRemainder();
    }

    /// <summary>Throws if the values must not move to a device.</summary>
    /// <exception cref="InvalidOperationException">The device is another, and an optimizer holds the
    /// parameter.</exception>
    /// <exception cref="ObjectDisposedException">The parameter was disposed.</exception>
    internal void EnsureMayMoveTo(Device device)
    {
        ObjectDisposedException.ThrowIf(_host is null && !IsAlive, this);
        if (!Optimizers.Any || Device == device)
            return;
        throw new InvalidOperationException(
            $"{Describe()} belongs to an optimizer, which knows where its values are. Move the model to a device "
                + "before its optimizer is made, or dispose that first."
        );
    }

    /// <summary>
    /// Moves the values to a device. The gradient and the compute copy do not move; they are created anew.
    /// </summary>
    internal void MoveTo(Device device)
    {
        if (HasDevice && Device == device)
            return;
        Storage storage = Storage.Allocate(device, DType, Count, MemoryKind.Parameters);
        switch (DType)
        {
            case DType.Float32:
                storage.Write<float>(ToArray<float>());
                break;
            case DType.BFloat16:
                storage.Write<BFloat16>(ToArray<BFloat16>());
                break;
            default:
                storage.Write<Half>(ToArray<Half>());
                break;
        }

        Replace(device, storage);
        _host = null;
    }

    /// <summary>Throws if the values must not become another type.</summary>
    /// <exception cref="InvalidOperationException">An optimizer holds the parameter.</exception>
    /// <exception cref="ObjectDisposedException">The parameter was disposed.</exception>
    internal void EnsureMayBecome(DType dtype)
    {
        ObjectDisposedException.ThrowIf(_host is null && !IsAlive, this);
        if (Optimizers.Any && DType != dtype)
            throw new InvalidOperationException(
                $"{Describe()} belongs to an optimizer, which keeps its state and master by its type, {DType.Name()}. "
                    + $"Convert the model to {dtype.Name()} before its optimizer is made, or dispose that first."
            );
    }

    /// <summary>Rounds the values to another type, to nearest, or widens them. The gradient is dropped.</summary>
    internal unsafe void Become(DType dtype)
    {
        if (DType == dtype)
            return;
        if (_host is null)
        {
            Storage storage = Storage.Allocate(Device, dtype, Count, MemoryKind.Parameters);
            Kernels.Cast(Device, storage.Pointer, dtype, Pointer, DType, Count);
            Replace(Device, storage);
        }
        else
        {
            float[] values = ToFloats();
            _host = dtype switch
            {
                DType.Float32 => values,
                DType.BFloat16 => Array.ConvertAll(values, value => (BFloat16)value),
                _ => Array.ConvertAll(values, value => (Half)value),
            };
        }

        DType = dtype;
    }

    /// <summary>Number of writes of the values, by anyone. It stays after the parameter is disposed.</summary>
    internal long Version() => Changes + Optimizers.Writes;

    /// <summary>
    /// The values in a dtype: the parameter's own, or the compute copy of float32 ones, which is created or updated
    /// first. The caller drops the reference: another thread may ask for another dtype meanwhile.
    /// </summary>
    internal Storage InDType(DType dtype)
    {
        if (dtype == DType)
            return Storage.Share();
        lock (_halfLock)
        {
            if (HasCopy(dtype))
                return UpdatedCopy();
        }

        // An optimizer's step has the copy's address: it is not exchanged in the middle of one.
        lock (Device.Gate)
            lock (_halfLock)
            {
                if (!HasCopy(dtype))
                {
                    Storage half = Storage.Allocate(Device, dtype, Count, Capacity, MemoryKind.ComputeCopies);
                    DropComputeCopy();
                    _half = half;
                    _halfDType = dtype;
                    _halfVersion = -1;
                }

                return UpdatedCopy();
            }
    }

    /// <summary>
    /// Gives the compute copy and gradients that are made from now on room behind the rows of this matrix, so that
    /// products may compute with a number of rows that is a multiple of <see cref="RowPadding.Multiple"/>.
    /// </summary>
    internal void PadRows() => Volatile.Write(ref _padsRows, true);

    private bool HasCopy(DType dtype) => _half is not null && _halfDType == dtype && _half.Capacity == Capacity;

    private unsafe Storage UpdatedCopy()
    {
        long changes = Changes;
        if (_halfVersion != changes)
        {
            Kernels.Cast(Device, _half!.Pointer, _halfDType, Pointer, DType.Float32, Count);
            _halfVersion = changes;
        }

        DeviceGraph.CapturedOn(Device)?.Part(this, () => new CapturedCopy(this)).Note();
        return _half!.Share();
    }

    internal override string Describe() => Name.Length == 0 ? $"parameter {Shape}" : $"parameter '{Name}' {Shape}";

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Interlocked.Add(ref _changes, IsAlive ? Storage.Version : 0);
        base.Dispose(disposing);
        if (!disposing)
            return;
        DropComputeCopy();
        _host = null;
    }

    private void Replace(Device device, Storage storage)
    {
        ReleaseGradient();
        DropComputeCopy();
        Interlocked.Add(ref _changes, 1 + (IsAlive ? Storage.Version : 0));
        Place(device, storage);
    }

    private void DropComputeCopy()
    {
        _half?.Drop();
        _half = null;
    }
}
