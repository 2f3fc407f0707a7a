namespace NativeAmp.Training;

/// <summary>
/// Device memory that several tensors look at: an output, its views, and what a node of the tape saved. Counted by reference, so
/// that it goes back to the device's cache as soon as the last of them lets go and not when the collector gets to it. Used by one
/// thread at a time, as its device.
/// </summary>
internal sealed unsafe class Storage
{
    private readonly DeviceBuffer _buffer;
    private int _references = 1;

    private Storage(DeviceBuffer buffer) => _buffer = buffer;

    /// <summary>Whether nobody else looks at this memory, so that it may be overwritten.</summary>
    public bool IsUnshared => _references == 1;

    /// <summary>The memory's address on the device.</summary>
    public void* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_references == 0, this);
            return (void*)_buffer.Pointer;
        }
    }

    /// <summary>Memory for so many elements, with undefined contents.</summary>
    public static Storage Allocate(Device device, DType dtype, long count, MemoryKind kind) =>
        new(device.Allocate(dtype, count, kind));

    /// <summary>Copies all elements to host memory, and waits for them.</summary>
    public void Read<T>(Span<T> destination)
        where T : unmanaged => _buffer.CopyTo(destination);

    /// <summary>Overwrites all elements from host memory.</summary>
    public void Write<T>(ReadOnlySpan<T> source)
        where T : unmanaged => _buffer.CopyFrom(source);

    /// <summary>One more reference.</summary>
    public Storage Share()
    {
        ObjectDisposedException.ThrowIf(_references == 0, this);
        _references++;
        return this;
    }

    /// <summary>One reference less; the last gives the memory back.</summary>
    public void Drop()
    {
        ObjectDisposedException.ThrowIf(_references == 0, this);
        if (--_references == 0)
            _buffer.Dispose();
    }
}
