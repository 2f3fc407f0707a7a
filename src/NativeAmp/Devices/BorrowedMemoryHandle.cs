using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Memory of somebody else that the device uses. It is given back once, after the work of all streams that used it: the
/// owner does not know these streams.
/// </summary>
internal sealed unsafe class BorrowedMemoryHandle : DeviceResourceHandle
{
    // The handle is no pointer: an empty buffer has none, and still has an owner.
    private const nint Valid = 1;

    // By native handle: a borrowed stream is a new object each time. Null while nobody waits for them.
    private readonly Dictionary<nint, DeviceStream?>? _users;
    private readonly Action? _release;

    /// <param name="device">The device.</param>
    /// <param name="release">Gives the memory back; null if nobody wants to know.</param>
    public BorrowedMemoryHandle(DeviceHandle device, Action? release)
        : base(device, Valid)
    {
        _release = release;
        _users = release is null ? null : [];
    }

    /// <summary>Notes a stream that uses the memory.</summary>
    /// <param name="native">Its native handle; 0 for the device's own stream.</param>
    /// <param name="stream">The stream; null for the device's own.</param>
    public void RecordStream(nint native, DeviceStream? stream)
    {
        if (_users is null)
            return;
        if (stream is not null)
            stream.UsesBorrowedMemory = true;
        lock (_users)
            _users[native] = stream;
    }

    protected override int Release()
    {
        GiveBack();
        return (int)NampStatus.Ok;
    }

    protected override void Abandon()
    {
        if (_release is not null)
            Device.Abandon(GiveBack);
    }

    private void GiveBack()
    {
        if (_users is null)
            return;
        foreach ((nint native, DeviceStream? stream) in _users)
        {
            // The status does not matter: a stream of a device that failed has no work left.
            if (stream is not { IsDestroyed: true })
                _ = NativeMethods.StreamSynchronize((NampDevice*)Device.DangerousGetHandle(), (void*)native);
        }

        _release!();
    }
}
