using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// A queue of work on a device. Work on one stream runs in order; <see cref="WaitFor(DeviceEvent)"/> orders work of
/// different streams. The CPU has one stream, and works synchronously.
/// </summary>
/// <remarks>
/// Memory belongs to the stream that was current when it was allocated. If another stream uses it, call
/// <see cref="DeviceBuffer.RecordStream"/> before it is given back.
/// </remarks>
public sealed unsafe class DeviceStream : IDisposable
{
    private readonly bool _owned;
    private readonly nint _handle;
    private readonly bool _isOwn;
    private bool _disposed;

    internal DeviceStream(Device device, nint handle, bool owned = false, bool isOwn = false)
    {
        Device = device;
        _handle = handle;
        _owned = owned;
        _isOwn = isOwn;
    }

    /// <summary>The device.</summary>
    public Device Device { get; }

    /// <summary>The native handle, a <c>CUstream</c> on a GPU; 0 on the CPU.</summary>
    /// <exception cref="ObjectDisposedException">The stream was disposed.</exception>
    public nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _handle;
        }
    }

    /// <summary>Whether the native stream is gone. One of somebody else is not gone when this object is.</summary>
    internal bool IsDestroyed => _disposed && _owned;

    /// <summary>
    /// Whether work on the stream used borrowed memory. It is then done before the stream is destroyed: afterwards
    /// nobody could wait for it.
    /// </summary>
    internal bool UsesBorrowedMemory { get; set; }

    /// <summary>The handle for native calls: null for the device's own stream.</summary>
    private void* Native => _isOwn ? null : (void*)Handle;

    /// <summary>
    /// Makes later work on this stream wait, on the device, until the event's last record is reached. The host does not
    /// wait.
    /// </summary>
    /// <exception cref="NativeAmpArgumentException">The event is of another device.</exception>
    public void WaitFor(DeviceEvent moment)
    {
        ArgumentNullException.ThrowIfNull(moment);
        Ensure.Success(NativeMethods.StreamWaitEvent(Device.Native, Native, moment.Native));
    }

    /// <summary>
    /// Makes later work on this stream wait, on the device, for all work that is on another stream now.
    /// </summary>
    public void WaitFor(DeviceStream other)
    {
        ArgumentNullException.ThrowIfNull(other);
        _ = Handle;
        using var moment = new DeviceEvent(other.Device);
        moment.Record(other);
        WaitFor(moment);
    }

    /// <summary>Waits on the host until all work put on the stream is done.</summary>
    public void Synchronize() => Ensure.Success(NativeMethods.StreamSynchronize(Device.Native, Native));

    /// <summary>
    /// Destroys a stream that <see cref="Device.CreateStream"/> made, and stops using a borrowed one. The device's own
    /// stream, the only one of a CPU, stays as it is.
    /// </summary>
    public void Dispose()
    {
        if (_disposed || _isOwn)
            return;
        if (_owned && UsesBorrowedMemory)
            Synchronize();
        if (_owned)
            Ensure.Success(NativeMethods.StreamDestroy(Device.Native, (void*)_handle));
        _disposed = true;
    }

    /// <summary>The native handle of a stream, or of the device's current one.</summary>
    /// <exception cref="ArgumentException">The stream belongs to another device.</exception>
    internal static void* NativeOf(Device device, DeviceStream? stream)
    {
        stream ??= device.StreamInUse;
        if (stream is null)
            return null;
        if (stream.Device != device)
            throw new ArgumentException("The stream belongs to another device than the work on it.", nameof(stream));
        return stream.Native;
    }
}
