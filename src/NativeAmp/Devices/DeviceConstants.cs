namespace NativeAmp;

/// <summary>Numbers on a device that its work reads: it need not copy them from the host each time.</summary>
internal sealed class DeviceConstants
{
    private readonly Lock _making = new();
    private nint _one;

    /// <summary>Device pointer to a float32 of 1, which lives as long as the device.</summary>
    public unsafe nint One(Device device)
    {
        if (_one != 0)
            return _one;
        lock (_making)
        {
            if (_one != 0)
                return _one;
            // Memory of this kind goes back with the device.
            nint pointer = device.AllocateMemory(sizeof(float), MemoryKind.Workspace);
            float one = 1;
            device.CopyToDevice(pointer, new ReadOnlySpan<byte>(&one, sizeof(float)));
            // Other streams do not wait for this one.
            device.CurrentStream.Synchronize();
            return _one = pointer;
        }
    }
}
