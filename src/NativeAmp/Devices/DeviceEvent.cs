using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// A point in a stream's work, reached when all work before it is done. It orders streams, and times work on the
/// device. On the CPU, which works synchronously, an event is reached at once and marks the time of the call.
/// </summary>
public sealed unsafe class DeviceEvent : IDisposable
{
    private readonly EventHandle _handle;

    /// <summary>An event that is not recorded yet.</summary>
    public DeviceEvent(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        device.Handle.FreeAbandoned();
        NampEvent* native;
        Ensure.Success(NativeMethods.EventCreate(&native, device.Native));
        Device = device;
        _handle = new EventHandle(device.Handle, (nint)native);
    }

    /// <summary>The device.</summary>
    public Device Device { get; }

    internal NampEvent* Native
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return (NampEvent*)_handle.DangerousGetHandle();
        }
    }

    /// <summary>Records the event on a stream, or on the current one. It replaces an earlier record.</summary>
    public void Record(DeviceStream? stream = null) =>
        Ensure.Success(NativeMethods.EventRecord(Native, DeviceStream.NativeOf(Device, stream)));

    /// <summary>Whether all work before the event is done. Does not wait.</summary>
    /// <exception cref="NativeAmpArgumentException">The event was not recorded.</exception>
    public bool IsReached
    {
        get
        {
            int reached;
            Ensure.Success(NativeMethods.EventQuery(&reached, Native));
            return reached != 0;
        }
    }

    /// <summary>Waits on the host until it is reached.</summary>
    /// <exception cref="NativeAmpArgumentException">The event was not recorded.</exception>
    public void Synchronize() => Ensure.Success(NativeMethods.EventSynchronize(Native));

    /// <summary>Seconds from another event of the device to this one; waits until both are reached.</summary>
    /// <exception cref="NativeAmpArgumentException">One was not recorded, or is another device's.</exception>
    public double SecondsSince(DeviceEvent earlier)
    {
        ArgumentNullException.ThrowIfNull(earlier);
        double seconds;
        Ensure.Success(NativeMethods.EventElapsed(&seconds, earlier.Native, Native));
        return seconds;
    }

    /// <summary>Ends the event.</summary>
    public void Dispose() => _handle.Dispose();

    private sealed class EventHandle(DeviceHandle device, nint handleOfEvent)
        : DeviceResourceHandle(device, handleOfEvent)
    {
        protected override int Release() => NativeMethods.EventDestroy((NampEvent*)handle);

        protected override void Abandon() => Device.Abandon(handle, DeviceResource.Event);
    }
}
