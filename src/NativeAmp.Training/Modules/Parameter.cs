using System.Runtime.InteropServices;

namespace NativeAmp.Training;

/// <summary>
/// A learned tensor: float32 values, the gradient that backward passes accumulate, and a half-precision copy if
/// low-precision operators use it. The values are in host memory until its module is moved to a device.
/// </summary>
public sealed partial class Parameter : Tensor, ITrackedParameter
{
    private float[]? _host;
    private Storage? _half;
    private readonly Lock _halfLock = new();
    private DType _halfDType;
    private long _halfVersion;
    private long _changes;

    /// <summary>A parameter with these values, in host memory until <see cref="ModuleExtensions.To"/>.</summary>
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
    public override void CopyFrom<T>(ReadOnlySpan<T> source)
    {
        if (_host is null)
        {
            base.CopyFrom(source);
            return;
        }

        CheckHost<T>(source.Length);
        source.CopyTo(MemoryMarshal.Cast<float, T>(_host.AsSpan()));
    }

    private protected override Span<T> HostSpan<T>()
    {
        if (_host is null)
            return base.HostSpan<T>();
        CheckType<T>();
        return MemoryMarshal.Cast<float, T>(_host.AsSpan());
    }

    /// <summary>
    /// Marks the values as changed through their pointer. The compute copy is then cast again before it is used, and a
    /// backward pass that needs the old values is refused. Optimizers of this library write the compute copy themselves
    /// and need no call.
    /// </summary>
    public void MarkChanged() => Interlocked.Increment(ref _changes);

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
        float[] values = ToArray<float>();
        Storage storage = Storage.Allocate(device, DType.Float32, Count, MemoryKind.Parameters);
        storage.Write<float>(values);
        ReleaseGradient();
        DropComputeCopy();
        Interlocked.Add(ref _changes, 1 + (IsAlive ? Storage.Version : 0));
        Place(device, storage);
        _host = null;
    }

    /// <summary>Number of writes of the values, by anyone. It stays after the parameter is disposed.</summary>
    internal long Version() => Changes + Optimizers.Writes;

    /// <summary>
    /// The values in a dtype: the parameter's own, or the compute copy, which is created or updated first.
    /// </summary>
    internal unsafe Storage InDType(DType dtype)
    {
        if (dtype == DType.Float32)
            return Storage;
        lock (_halfLock)
        {
            if (_half is null || _halfDType != dtype)
            {
                Storage half = Storage.Allocate(Device, dtype, Count, MemoryKind.ComputeCopies);
                DropComputeCopy();
                _half = half;
                _halfDType = dtype;
                _halfVersion = -1;
            }

            long changes = Changes;
            if (_halfVersion != changes)
            {
                Kernels.Cast(Device, _half.Pointer, dtype, Pointer, DType.Float32, Count);
                _halfVersion = changes;
            }

            DeviceGraph.CapturedOn(Device)?.Part(this, () => new CapturedCopy(this)).Note();
            return _half;
        }
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

    private void DropComputeCopy()
    {
        _half?.Drop();
        _half = null;
    }
}
