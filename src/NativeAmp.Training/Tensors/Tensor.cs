using System.Diagnostics;

namespace NativeAmp.Training;

/// <summary>
/// A dense row-major array on a device. A tensor that a caller creates belongs to the caller, who disposes it. An
/// operator's output belongs to the innermost <see cref="TensorScope"/> (<see cref="NoGrad"/> is one too). Without a
/// scope <see cref="Backward(bool)"/> releases the outputs of its graph, and the garbage collector the rest.
/// <see cref="Keep"/> makes the caller the owner.
/// </summary>
[DebuggerDisplay("{DebuggerText,nq}")]
[DebuggerTypeProxy(typeof(TensorDebugView))]
public partial class Tensor : IDisposable
{
    private static readonly Lock s_noDevice = new();

    private Storage? _storage;
    private Device? _device;
    private string _absence = "it has no memory yet";

    private protected Tensor(Shape shape, DType dtype)
    {
        Shape = shape;
        DType = dtype;
    }

    internal Tensor(Device device, Shape shape, DType dtype, Storage storage)
        : this(shape, dtype)
    {
        _device = device;
        _storage = storage;
    }

    /// <summary>The sizes of the dimensions.</summary>
    public Shape Shape { get; }

    /// <summary>The type of the elements.</summary>
    public DType DType { get; private protected set; }

    /// <summary>Number of elements.</summary>
    public long Count => Shape.Count;

    /// <summary>The device that holds the elements.</summary>
    /// <exception cref="InvalidOperationException">The tensor is a parameter of a module that is not on a device
    /// yet.</exception>
    public Device Device =>
        _device
        ?? throw new InvalidOperationException($"{Describe()} is on no device: call To(device) on its module first.");

    /// <summary>Whether the tensor's memory is there: neither disposed nor given back by its owner.</summary>
    public bool IsAlive => _storage is not null;

    internal bool HasDevice => _device is not null;

    // Backward passes, optimizers and all accesses to gradients take turns on this lock.
    private Lock GateOrThis => _device?.Gate ?? s_noDevice;

    /// <summary>
    /// Whether the caller owns this tensor, so that backward passes, scopes and modules leave it alone.
    /// </summary>
    internal bool IsCallers { get; set; } = true;

    /// <summary>
    /// Device pointer and dtype of the elements, row-major, for your own kernels. On the CPU any code of this process
    /// may read and write them. The pointer is valid while the tensor is alive. Order work with it on the device's
    /// current stream. The graph does not notice a write through it: write only tensors that you have just created, or
    /// call <see cref="Parameter.MarkChanged"/> for a parameter.
    /// </summary>
    public unsafe TensorCell Cell => new((nint)Pointer, DType);

    internal unsafe void* Pointer => Storage.Pointer;

    internal Storage Storage =>
        _storage ?? throw new ObjectDisposedException(GetType().Name, $"{Describe()} cannot be used: {_absence}.");

    /// <summary>A copy of the elements.</summary>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the type of this tensor's
    /// elements.</exception>
    public T[] ToArray<T>()
        where T : unmanaged
    {
        var values = new T[Count];
        CopyTo<T>(values);
        return values;
    }

    /// <summary>Copies all elements to host memory. The span must have exactly their number.</summary>
    /// <exception cref="ArgumentException">The element types or counts differ.</exception>
    public virtual void CopyTo<T>(Span<T> destination)
        where T : unmanaged
    {
        CheckHost<T>(destination.Length);
        Read(destination);
    }

    /// <summary>Overwrites all elements from host memory. The span must have exactly their number.</summary>
    /// <exception cref="ArgumentException">The element types or counts differ.</exception>
    /// <exception cref="InvalidOperationException">The tensor is an operator's output that gradients flow
    /// through.</exception>
    public virtual void CopyFrom<T>(ReadOnlySpan<T> source)
        where T : unmanaged
    {
        CheckHost<T>(source.Length);
        EnsureMayBeWritten();
        Storage.Write(source);
    }

    /// <summary>A copy of the elements of a floating-point tensor, widened to float32.</summary>
    /// <exception cref="ArgumentException">The elements are not floating-point numbers.</exception>
    public float[] ToFloats() =>
        DType switch
        {
            DType.Float32 => ToArray<float>(),
            DType.Float16 => Array.ConvertAll(ToArray<Half>(), value => (float)value),
            DType.BFloat16 => Array.ConvertAll(ToArray<BFloat16>(), value => (float)value),
            _ => throw new ArgumentException($"{Describe()} holds no floating-point numbers."),
        };

    /// <summary>The value of a tensor of one floating-point element. Waits for the device.</summary>
    /// <exception cref="InvalidOperationException">The tensor does not have exactly one element.</exception>
    /// <exception cref="IndexRangeException">It is a loss on a GPU, and a label was out of range.</exception>
    public float Item()
    {
        if (Count != 1)
            throw new InvalidOperationException($"Item reads tensors of one element; {Describe()} has {Count}.");
        float value = ToFloats()[0];
        if (BitConverter.SingleToInt32Bits(value) == Interop.NativeConstants.BadLabelLoss)
            throw new IndexRangeException(Device.IndexFacts.Read(Device));
        return value;
    }

    /// <summary>
    /// Makes the caller the owner of this tensor, who disposes it. It then outlives Backward and its scope.
    /// </summary>
    public Tensor Keep()
    {
        _ = Storage;
        IsCallers = true;
        return this;
    }

    /// <summary>
    /// Gives the memory back. Other users of it (a view, a node of a graph) keep it alive until they are done.
    /// </summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives the memory back.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        Release("it was disposed");
        ReleaseGradient();
    }

    /// <summary>Releases the elements. The reason goes into the error if they are used later.</summary>
    internal void Release(string reason)
    {
        if (!HasValues)
            return;
        Storage? storage = _storage;
        // First, in case that the owner of borrowed memory throws.
        _storage = null;
        _absence = reason;
        storage?.Drop();
    }

    /// <summary>
    /// Releases a tensor when its owner (scope, module, backward pass) ends, unless the caller owns it.
    /// </summary>
    internal void ReleaseUnlessCallers(string reason)
    {
        if (!IsCallers)
            Release(reason);
    }

    /// <summary>
    /// Releases an operator's cast of its input, which nothing else uses. Does nothing if this is the input itself.
    /// </summary>
    internal void ReleaseIfCastOf(Tensor input)
    {
        if (this != input)
            Release("it was the cast of an operator's input");
    }

    /// <summary>"float32 tensor [2, 3]", for messages.</summary>
    internal virtual string Describe() => $"{DType.Name()} tensor {Shape}";

    internal long Bytes => Count * DType.SizeInBytes();

    private protected void Place(Device device, Storage storage)
    {
        _storage?.Drop();
        _device = device;
        _storage = storage;
    }

    // A write through any door; the graph has the values that the output was computed from.
    private void EnsureMayBeWritten()
    {
        if (Producer is { State: NodeState.Recorded })
        {
            throw new InvalidOperationException(
                $"{Describe()} is an operator's output that gradients flow through: written over, it would pass them "
                    + "on to what it no longer comes from. "
                    + "Write to its Detach() if that is what you want, or to a tensor of your own."
            );
        }
    }

    private protected void CheckHost<T>(int count)
        where T : unmanaged
    {
        CheckType<T>();
        if (count != Count)
            throw new ArgumentException($"{Describe()} has {Count} elements, the host memory {count}.");
    }

    private protected void CheckType<T>()
        where T : unmanaged
    {
        if (!DType.Holds<T>())
            throw new ArgumentException($"{Describe()} does not hold elements of type {typeof(T).Name}.");
    }
}
