using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>An order of work on a device. The CPU has one, and works synchronously.</summary>
public sealed unsafe class DeviceStream : IDisposable
{
    private readonly bool _owned;
    private readonly nint _handle;
    private bool _disposed;

    internal DeviceStream(Device device, nint handle, bool owned = false)
    {
        Device = device;
        _handle = handle;
        _owned = owned;
    }

    /// <summary>The device.</summary>
    public Device Device { get; }

    /// <summary>The native handle, a <c>CUstream</c> on a GPU; 0 for the default stream.</summary>
    /// <exception cref="ObjectDisposedException">The stream was disposed: work put on it would go to the default one.</exception>
    public nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _handle;
        }
    }

    /// <summary>Waits until all work put on the stream is done.</summary>
    public void Synchronize() => Ensure.Success(NativeMethods.StreamSynchronize(Device.Native, NativeOf(this)));

    /// <summary>
    /// Ends the stream if <see cref="Device.CreateStream"/> made it, and the use of one that was borrowed. The default stream, which is all that the CPU has,
    /// stays as it is.
    /// </summary>
    public void Dispose()
    {
        if (_disposed || _handle == 0) return;
        if (_owned) Ensure.Success(NativeMethods.StreamDestroy(Device.Native, (void*)_handle));
        _disposed = true;
    }

    /// <summary>The native handle of a stream, or of the default one.</summary>
    internal static void* NativeOf(DeviceStream? stream) => (void*)(stream?.Handle ?? 0);
}
