namespace NativeAmp.Training;

/// <content>Memory of others as tensors, and tensors as memory.</content>
public partial class Tensor
{
    /// <summary>
    /// A tensor over memory that belongs to somebody else, without a copy (torch's <c>from_blob</c>). It is the
    /// caller's, who disposes it; writes to either are seen by both.
    /// </summary>
    /// <param name="device">The device that the memory belongs to.</param>
    /// <param name="pointer">The first element, aligned to it: an address of this process for a CPU device, a device
    /// pointer of this GPU otherwise. Nobody can check that. 0 if the shape has no elements.</param>
    /// <param name="dtype">Type of the elements.</param>
    /// <param name="shape">The shape; the elements are row-major without gaps.</param>
    /// <param name="deleter">Called once when neither the tensor, nor its views, nor a graph that saved it uses the
    /// memory any more; see <see cref="Device.BorrowMemory"/>. Null if the memory outlives them in any case. To keep an
    /// object alive: <c>() =&gt; GC.KeepAlive(owner)</c>.</param>
    /// <exception cref="ArgumentException">The pointer is 0 although there are elements, is not aligned, or the
    /// elements would go beyond the end of the address space. The deleter is not called then.</exception>
    /// <remarks>
    /// On a GPU work with the memory is ordered by the device's current stream. If another stream wrote it, make the
    /// current one wait first: <c>device.CurrentStream.WaitFor(device.BorrowStream(handle))</c>.
    /// </remarks>
    public static Tensor FromBlob(Device device, nint pointer, DType dtype, Shape shape, Action? deleter = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        return new Tensor(device, shape, dtype, Storage.Borrow(device, pointer, dtype, shape.Count, deleter));
    }

    /// <summary>
    /// A tensor over managed or other host memory, without a copy (NumPy's <c>frombuffer</c>). The memory is pinned
    /// until neither the tensor, nor its views, nor a graph that saved it uses it any more.
    /// </summary>
    /// <typeparam name="T"><see cref="float"/>, <see cref="Half"/>, <see cref="BFloat16"/>, <see cref="int"/> or
    /// <see cref="byte"/>.</typeparam>
    /// <param name="device">A CPU device.</param>
    /// <param name="memory">The elements, row-major; an array is one too.</param>
    /// <param name="shape">A shape of as many elements.</param>
    /// <exception cref="ArgumentException">The device is a GPU, the shape has another number of elements,
    /// <typeparamref name="T"/> is no element type, or the memory is not aligned to it.</exception>
    public static unsafe Tensor FromMemory<T>(Device device, Memory<T> memory, Shape shape)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(device);
        DType dtype = DTypes.Of<T>();
        if (!device.IsHostMemory)
            throw new ArgumentException(
                "A GPU cannot use managed memory in place: copy it by Tensor.From.",
                nameof(device)
            );
        EnsureCount(shape, memory.Length, nameof(memory));
        System.Buffers.MemoryHandle pin = memory.Pin();
        try
        {
            return FromBlob(device, (nint)pin.Pointer, dtype, shape, pin.Dispose);
        }
        catch
        {
            pin.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The elements of a tensor in host memory, row-major, to read and write in place. Valid while the tensor is alive.
    /// </summary>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the type of the elements.</exception>
    /// <exception cref="InvalidOperationException">The tensor is on a GPU (use <see cref="CopyTo"/> and
    /// <see cref="CopyFrom"/>), is an operator's output that gradients flow through, or has more elements than a span
    /// can.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    /// <remarks>The call counts as a write. If you keep the span and write later, after operators have used the tensor,
    /// graphs do not notice; for a parameter call <see cref="Parameter.MarkChanged"/>.</remarks>
    public Span<T> AsSpan<T>()
        where T : unmanaged
    {
        EnsureMayBeWritten();
        Span<T> elements = HostSpan<T>();
        MarkWritten();
        return elements;
    }

    /// <summary>
    /// The elements of a tensor in host memory, row-major, to read in place. Valid while the tensor is alive.
    /// </summary>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the type of the elements.</exception>
    /// <exception cref="InvalidOperationException">The tensor is on a GPU (use <see cref="CopyTo"/>), or has more
    /// elements than a span can.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public ReadOnlySpan<T> AsReadOnlySpan<T>()
        where T : unmanaged => HostSpan<T>();

    /// <summary>Copies elements to host memory, beginning at an offset, and waits for them.</summary>
    internal virtual void Read<T>(Span<T> destination, long offset = 0)
        where T : unmanaged => Storage.Read(destination, offset);

    /// <summary>Counts a write of elements in place.</summary>
    private protected virtual void MarkWritten() => _storage?.MarkWritten();

    private protected virtual Span<T> HostSpan<T>()
        where T : unmanaged
    {
        CheckType<T>();
        return Storage.AsSpan<T>()[..(int)Count]; // there may be room for more
    }

    private protected static void EnsureCount(Shape shape, long count, string name)
    {
        if (count != shape.Count)
            throw new ArgumentException($"Shape {shape} has {shape.Count} elements, but {count} were given.", name);
    }
}
