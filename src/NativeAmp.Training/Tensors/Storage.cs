namespace NativeAmp.Training;

/// <summary>
/// Device memory that several tensors share: an output, its views, and saved tensors of a node. It is
/// reference-counted: it goes back to the device's cache when the last reference is dropped. If a reference is never
/// dropped, the garbage collector finds it.
/// </summary>
internal sealed unsafe class Storage
{
    private readonly DeviceBuffer _buffer;
    private int _references = 1;
    private long _version;

    private Storage(DeviceBuffer buffer) => _buffer = buffer;

    /// <summary>Whether there is only one reference, so that the memory may be overwritten.</summary>
    public bool IsUnshared => Volatile.Read(ref _references) == 1;

    /// <summary>
    /// Number of writes through a tensor. A node that saved the elements compares it to find out whether they have
    /// changed.
    /// </summary>
    public long Version => Volatile.Read(ref _version);

    /// <summary>Number of elements that there is room for; a tensor over them may have fewer.</summary>
    public long Capacity => _buffer.Count;

    /// <summary>The memory's address on the device.</summary>
    public void* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _references) == 0, this);
            // The caller uses it on the current stream.
            _buffer.RecordStream();
            return (void*)_buffer.Pointer;
        }
    }

    /// <summary>Memory for this many elements, with undefined contents.</summary>
    public static Storage Allocate(Device device, DType dtype, long count, MemoryKind kind) =>
        new(device.Allocate(dtype, count, kind));

    /// <summary>Memory that belongs to somebody else; <see cref="NativeAmp.Device.BorrowMemory"/>.</summary>
    public static Storage Borrow(Device device, nint pointer, DType dtype, long count, Action? release) =>
        new(device.BorrowMemory(pointer, dtype, count, release));

    /// <summary>Memory with room for more elements than are used at first: those from count on are zeros.</summary>
    public static Storage Allocate(Device device, DType dtype, long count, long capacity, MemoryKind kind)
    {
        Storage storage = Allocate(device, dtype, capacity, kind);
        int size = dtype.SizeInBytes();
        if (capacity > count)
            device.FillMemory((nint)storage.Pointer + (nint)(count * size), 0, (capacity - count) * size);
        return storage;
    }

    /// <summary>All elements, in host memory.</summary>
    public Span<T> AsSpan<T>()
        where T : unmanaged => _buffer.AsSpan<T>();

    /// <summary>Copies elements to host memory, beginning at an offset, and waits for them.</summary>
    public void Read<T>(Span<T> destination, long offset = 0)
        where T : unmanaged => _buffer.CopyTo(destination, offset);

    /// <summary>Overwrites all elements from host memory.</summary>
    public void Write<T>(ReadOnlySpan<T> source)
        where T : unmanaged
    {
        MarkWritten();
        _buffer.CopyFrom(source);
    }

    /// <summary>Counts a write: saved elements are no longer valid.</summary>
    public void MarkWritten() => Interlocked.Increment(ref _version);

    /// <summary>Adds a reference.</summary>
    public Storage Share()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _references) == 0, this);
        Interlocked.Increment(ref _references);
        return this;
    }

    /// <summary>Removes a reference; the last gives the memory back.</summary>
    public void Drop()
    {
        int left = Interlocked.Decrement(ref _references);
        ObjectDisposedException.ThrowIf(left < 0, this);
        if (left == 0)
            _buffer.Dispose();
    }
}
