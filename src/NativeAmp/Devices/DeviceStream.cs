using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// An order of work on a device. Work on one stream is done in its order; between streams
/// <see cref="WaitFor(DeviceEvent)"/> makes one. The CPU has one stream, and works synchronously.
/// </summary>
/// <remarks>
/// Memory belongs to the stream that was current when it was allocated. Where another stream uses it,
/// <see cref="DeviceBuffer.RecordStream"/> says so before it is given back.
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

    /// <summary>What the native library knows it by: null for the device's own.</summary>
    private void* Native => _isOwn ? null : (void*)Handle;

    /// <summary>
    /// Lets work that is put on this stream from now on wait, on the device, until an event is reached as it was last
    /// recorded. The host goes on.
    /// </summary>
    /// <exception cref="NativeAmpArgumentException">The event is of another device.</exception>
    public void WaitFor(DeviceEvent moment)
    {
        ArgumentNullException.ThrowIfNull(moment);
        Ensure.Success(NativeMethods.StreamWaitEvent(Device.Native, Native, moment.Native));
    }

    /// <summary>
    /// Lets work that is put on this stream from now on wait, on the device, for what is on another by now.
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
    /// Ends the stream if <see cref="Device.CreateStream"/> made it, and the use of one that was borrowed. The device's
    /// own stream, which is all that the CPU has, stays as it is.
    /// </summary>
    public void Dispose()
    {
        if (_disposed || _isOwn)
            return;
        if (_owned)
            Ensure.Success(NativeMethods.StreamDestroy(Device.Native, (void*)_handle));
        _disposed = true;
    }

    /// <summary>The native handle of a stream, or of the device's current one.</summary>
    /// <exception cref="ArgumentException">The stream is of another device.</exception>
    internal static void* NativeOf(Device device, DeviceStream? stream)
    {
        stream ??= device.StreamInUse;
        if (stream is null)
            return null;
        if (stream.Device != device)
            throw new ArgumentException("The stream is of another device than what is done on it.", nameof(stream));
        return stream.Native;
    }
}
