using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>An order of work on a device. The CPU has one, and works synchronously.</summary>
public sealed unsafe class DeviceStream : IDisposable
{
    private readonly bool _owned;

    internal DeviceStream(Device device, nint handle, bool owned = false)
    {
        Device = device;
        Handle = handle;
        _owned = owned;
    }

    /// <summary>The device.</summary>
    public Device Device { get; }

    /// <summary>The native handle, a <c>CUstream</c> on a GPU; 0 for the default stream.</summary>
    public nint Handle { get; private set; }

    /// <summary>Waits until all work put on the stream is done.</summary>
    public void Synchronize() => Ensure.Success(NativeMethods.StreamSynchronize(Device.Native, (void*)Handle));

    /// <summary>Ends the stream if <see cref="Device.CreateStream"/> made it; the default stream and borrowed ones are left as they are.</summary>
    public void Dispose()
    {
        if (!_owned || Handle == 0) return;
        Ensure.Success(NativeMethods.StreamDestroy(Device.Native, (void*)Handle));
        Handle = 0;
    }

    /// <summary>The native handle of a stream, or of the default one.</summary>
    internal static void* NativeOf(DeviceStream? stream) => (void*)(stream?.Handle ?? 0);
}
