using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// A ring of small records that the device writes into host memory in the order of its work. The host reads one later
/// and need not wait. On the CPU a record is there at once.
/// </summary>
internal sealed unsafe class Readback : IDisposable
{
    private readonly Device _device;
    private readonly PinnedBuffer<byte> _memory;
    private readonly DeviceEvent?[] _written;
    private readonly bool[] _posted;
    private readonly int _bytes;

    /// <param name="device">The device.</param>
    /// <param name="records">Number of records.</param>
    /// <param name="bytes">Size of each record.</param>
    public Readback(Device device, int records, int bytes)
    {
        _device = device;
        _bytes = bytes;
        _written = new DeviceEvent?[records];
        _posted = new bool[records];
        _memory = new PinnedBuffer<byte>(device, checked(records * bytes));
        if (device.IsHostMemory)
            return;
        // Now, so that a step makes nothing.
        for (int i = 0; i < records; i++)
            _written[i] = new DeviceEvent(device);
    }

    /// <summary>Copies into a record, in the order of the current stream.</summary>
    public void Copy(int record, int offset, nint source, int bytes)
    {
        byte* target = At(record) + offset;
        if (_device.IsHostMemory)
            Buffer.MemoryCopy((void*)source, target, bytes, bytes);
        else
            _device.EnqueueCopy(target, (void*)source, bytes, NampCopyDirection.DeviceToHost);
    }

    /// <summary>Ends a record: it can be read when its copies are done.</summary>
    public void Post(int record)
    {
        _written[record]?.Record();
        _posted[record] = true;
    }

    /// <summary>Whether a posted record is there. Does not wait.</summary>
    public bool IsThere(int record) => !_posted[record] || _written[record] is not { IsReached: false };

    /// <summary>Returns a record; waits until it is there.</summary>
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
