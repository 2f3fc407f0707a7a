using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Owns a native device. Every resource on the device (memory, tables, streams) holds a reference to this handle. So
/// the device is closed after the last of them, in any order of disposing and finalizing.
/// </summary>
internal sealed unsafe class DeviceHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    // Resources that the finalizer thread found abandoned wait here: giving one back may wait for the device or for
    // another thread's call, which the finalizer thread must not do. Those that the device refused to take back are
    // kept here too, and tried again.
    private readonly ConcurrentQueue<(nint Pointer, DeviceResource Kind)> _abandoned = new();
    private readonly ConcurrentQueue<Action> _abandonedLoans = new();
    private long _bufferBytes;

    public DeviceHandle()
        : base(ownsHandle: true) { }

    /// <summary>Bytes of all buffers that were not given back, including unreferenced ones.</summary>
    public long BufferBytes => Volatile.Read(ref _bufferBytes);

    public void CountBytes(long change) => Interlocked.Add(ref _bufferBytes, change);

    public void Set(NampDevice* device) => SetHandle((nint)device);

    public void Abandon(nint pointer, DeviceResource kind) => _abandoned.Enqueue((pointer, kind));

    /// <summary>Leaves memory that belongs to somebody else to the next call that uses the device.</summary>
    public void Abandon(Action giveBack) => _abandonedLoans.Enqueue(giveBack);

    public void FreeAbandoned()
    {
        // What is given back here may wait, or end a stream's order with another.
        if (DeviceGraph.IsCapturing)
            return;
        while (!_abandonedLoans.IsEmpty && _abandonedLoans.TryDequeue(out var giveBack))
            giveBack();
        // The common case costs one read for each queue.
        if (_abandoned.IsEmpty)
            return;
        while (_abandoned.TryDequeue(out var item))
        {
            int status = item.Kind switch
            {
                DeviceResource.Table => NativeMethods.TableDestroy((NampTable*)item.Pointer),
                DeviceResource.Event => NativeMethods.EventDestroy((NampEvent*)item.Pointer),
                DeviceResource.Graph => NativeMethods.GraphDestroy((NampGraph*)item.Pointer),
                DeviceResource.HostMemory => NativeMethods.MemoryFreeHost((NampDevice*)handle, (void*)item.Pointer),
                _ => NativeMethods.MemoryFree((NampDevice*)handle, (void*)item.Pointer, null),
            };
            if (status == (int)NampStatus.Ok)
                continue;
            _abandoned.Enqueue(item);
            Ensure.Success(status);
        }
    }

    protected override bool ReleaseHandle()
    {
        for (bool isDone = false; !isDone; )
        {
            try
            {
                FreeAbandoned();
                isDone = true;
            }
            catch (NativeAmpException)
            {
                // A device that failed twice takes nothing back. The finalizer thread must not end with an exception.
                return false;
            }
            catch (Exception)
            {
                // Thrown by the owner of borrowed memory, who was told not to. That memory is out of the queue, and
                // the rest follows.
            }
        }

        return NativeMethods.DeviceClose((NampDevice*)handle) == (int)NampStatus.Ok;
    }
}

/// <summary>Kinds of resources that the finalizer may find abandoned.</summary>
internal enum DeviceResource
{
    Memory,
    Table,
    Event,
    Graph,
    HostMemory,
}

/// <summary>Owns a resource on a device, and keeps the device open.</summary>
internal abstract class DeviceResourceHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    private bool _finalizing;

    private protected DeviceResourceHandle(DeviceHandle device, nint value)
        : base(ownsHandle: true)
    {
        bool added = false;
        device.DangerousAddRef(ref added);
        Device = device;
        SetHandle(value);
    }

    protected DeviceHandle Device { get; }

    /// <summary>Whether the garbage collector found the resource; false if its owner gave it back.</summary>
    protected bool IsFinalizing => _finalizing;

    /// <summary>Gives the resource back, on a thread that uses the device.</summary>
    protected abstract int Release();

    /// <summary>Leaves the resource to the next call that uses the device.</summary>
    protected abstract void Abandon();

    protected override void Dispose(bool disposing)
    {
        _finalizing = !disposing;
        base.Dispose(disposing);
    }

    protected sealed override bool ReleaseHandle()
    {
        try
        {
            if (_finalizing || Release() != (int)NampStatus.Ok)
                Abandon();
        }
        finally
        {
            Device.DangerousRelease();
        }

        return true;
    }
}

/// <summary>Owns device memory.</summary>
internal sealed unsafe class MemoryHandle : DeviceResourceHandle
{
    private readonly long _bytes;
    private readonly nint _stream;

    /// <param name="device">The device.</param>
    /// <param name="pointer">The memory.</param>
    /// <param name="bytes">Its size.</param>
    /// <param name="stream">The stream that it belongs to.</param>
    public MemoryHandle(DeviceHandle device, nint pointer, long bytes, nint stream)
        : base(device, pointer)
    {
        _bytes = bytes;
        _stream = stream;
        device.CountBytes(bytes);
    }

    protected override int Release()
    {
        Device.CountBytes(-_bytes);
        return NativeMethods.MemoryFree((NampDevice*)Device.DangerousGetHandle(), (void*)handle, (void*)_stream);
    }

    protected override void Abandon()
    {
        // Release subtracted the bytes, though it failed to give them back.
        if (IsFinalizing)
            Device.CountBytes(-_bytes);
        Device.Abandon(handle, DeviceResource.Memory);
    }
}
