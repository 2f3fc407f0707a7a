namespace NativeAmp;

/// <summary>
/// A ring of small records that the device writes into the host's memory on its own, in the order of its work: so that
/// the host can look at one later without having waited for it. On the CPU a record is there at once.
/// </summary>
internal sealed unsafe class Readback : IDisposable
{
    private readonly Device _device;
    private readonly PinnedMemory _memory;
    private readonly DeviceEvent?[] _written;
    private readonly bool[] _posted;
    private readonly int _bytes;

    /// <param name="device">The device.</param>
    /// <param name="records">How many there are, one after another.</param>
    /// <param name="bytes">Of each.</param>
    public Readback(Device device, int records, int bytes)
    {
        _device = device;
        _bytes = bytes;
        _written = new DeviceEvent?[records];
        _posted = new bool[records];
        _memory = new PinnedMemory(device, (long)records * bytes);
        if (device.IsHostMemory)
            return;
        // Now, so that a step makes nothing.
        for (int i = 0; i < records; i++)
            _written[i] = new DeviceEvent(device);
    }

    /// <summary>Copies into a record, when it is its turn on the current stream.</summary>
    public void Copy(int record, int offset, nint source, int bytes)
    {
        byte* target = At(record) + offset;
        if (_device.IsHostMemory)
            Buffer.MemoryCopy((void*)source, target, bytes, bytes);
        else
            _device.CopyToPinned(target, source, bytes);
    }

    /// <summary>Ends a record: it can be looked at once what was copied is there.</summary>
    public void Post(int record)
    {
        _written[record]?.Record();
        _posted[record] = true;
    }

    /// <summary>Whether a record that was posted is there; without waiting.</summary>
    public bool IsThere(int record) => !_posted[record] || _written[record] is not { IsReached: false };

    /// <summary>A record; waits for it where it is not there.</summary>
    public ref readonly T Read<T>(int record)
        where T : unmanaged
    {
        if (!IsThere(record))
            _written[record]!.Synchronize();
        return ref *(T*)At(record);
    }

    public void Dispose()
    {
        _memory.Dispose();
        foreach (var written in _written)
            written?.Dispose();
    }

    private byte* At(int record) => _memory.Pointer + (long)record * _bytes;
}
