using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Memory of the host for elements, pinned (page-locked), which the device reads and writes on its own, in the order of
/// a stream: <see cref="DeviceBuffer.EnqueueCopyFrom"/> and <see cref="DeviceBuffer.EnqueueCopyTo"/>. Zeros at first.
/// </summary>
/// <remarks>
/// From such a call until its turn on the stream is over the elements are the device's: to look at them, or to change
/// them, wait for a <see cref="DeviceEvent"/> that was recorded after it. On the CPU the copy is made at once. Every
/// other copy takes any memory, this included, and is done with it when it returns.
/// </remarks>
/// <typeparam name="T">Type of the elements.</typeparam>
public sealed unsafe class PinnedBuffer<T> : IDisposable
    where T : unmanaged
{
    private readonly PinnedHandle _handle;

    /// <summary>Pinned memory for elements.</summary>
    /// <param name="device">The device that reads and writes it.</param>
    /// <param name="count">How many elements, 1 or more.</param>
    /// <exception cref="DeviceOutOfMemoryException">The system cannot give that much.</exception>
    public PinnedBuffer(Device device, int count)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        device.Handle.FreeAbandoned();
        void* pointer;
        Ensure.Success(NativeMethods.MemoryAllocateHost(&pointer, device.Native, (long)count * sizeof(T)));
        Device = device;
        Count = count;
        _handle = new PinnedHandle(device.Handle, (nint)pointer);
    }

    /// <summary>The device that it belongs to.</summary>
    public Device Device { get; }

    /// <summary>Number of elements.</summary>
    public int Count { get; }

    /// <summary>The elements. The span must not be used after the buffer is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public Span<T> Span => new(Pointer, Count);

    internal T* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            DeviceGraph.CapturedOn(Device)?.Hold(_handle);
            return (T*)_handle.DangerousGetHandle();
        }
    }

    /// <summary>Gives the memory back, after all work of the device.</summary>
    public void Dispose() => _handle.Dispose();
}

/// <summary>Owns pinned memory.</summary>
internal sealed unsafe class PinnedHandle(DeviceHandle device, nint pointer) : DeviceResourceHandle(device, pointer)
{
    protected override int Release() =>
        NativeMethods.MemoryFreeHost((NampDevice*)Device.DangerousGetHandle(), (void*)handle);

    protected override void Abandon() => Device.Abandon(handle, DeviceResource.HostMemory);
}
