namespace NativeAmp.Training;

/// <summary>
/// Device memory that several tensors look at: an output, its views, and what a node saved. Counted by reference, so
/// that it goes back to the device's cache as soon as the last of them lets go; where nobody says so, the garbage
/// collector finds it.
/// </summary>
internal sealed unsafe class Storage
{
    private readonly DeviceBuffer _buffer;
    private int _references = 1;
    private long _version;

    private Storage(DeviceBuffer buffer) => _buffer = buffer;

    /// <summary>Whether nobody else looks at this memory, so that it may be overwritten.</summary>
    public bool IsUnshared => Volatile.Read(ref _references) == 1;

    /// <summary>
    /// How often the elements were written through a tensor: whoever saved them finds out by this whether they still
    /// are what they were.
    /// </summary>
    public long Version => Volatile.Read(ref _version);

    /// <summary>The memory's address on the device.</summary>
    public void* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _references) == 0, this);
            // Whoever asks uses it on the current stream.
            _buffer.RecordStream();
            return (void*)_buffer.Pointer;
        }
    }

    /// <summary>Memory for this many elements, with undefined contents.</summary>
    public static Storage Allocate(Device device, DType dtype, long count, MemoryKind kind) =>
        new(device.Allocate(dtype, count, kind));

    /// <summary>Copies all elements to host memory, and waits for them.</summary>
    public void Read<T>(Span<T> destination)
        where T : unmanaged => _buffer.CopyTo(destination);

    /// <summary>Overwrites all elements from host memory.</summary>
    public void Write<T>(ReadOnlySpan<T> source)
        where T : unmanaged
    {
        MarkWritten();
        _buffer.CopyFrom(source);
    }

    /// <summary>Says that the elements are no longer what was saved of them.</summary>
    public void MarkWritten() => Interlocked.Increment(ref _version);

    /// <summary>One more reference.</summary>
    public Storage Share()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _references) == 0, this);
        Interlocked.Increment(ref _references);
        return this;
    }

    /// <summary>One reference less; the last gives the memory back.</summary>
    public void Drop()
    {
        int left = Interlocked.Decrement(ref _references);
        ObjectDisposedException.ThrowIf(left < 0, this);
        if (left == 0)
            _buffer.Dispose();
    }
}
