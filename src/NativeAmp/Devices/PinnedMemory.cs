using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>Pinned host memory that the device writes in the order of a stream; zeros at first.</summary>
internal sealed unsafe class PinnedMemory : IDisposable
{
    private readonly PinnedHandle _handle;

    public PinnedMemory(Device device, long bytes)
    {
        device.Handle.FreeAbandoned();
        void* pointer;
        Ensure.Success(NativeMethods.MemoryAllocateHost(&pointer, device.Native, bytes));
        _handle = new PinnedHandle(device.Handle, (nint)pointer);
    }

    public byte* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return (byte*)_handle.DangerousGetHandle();
        }
    }

    /// <summary>Gives the memory back, after all work of the device.</summary>
    public void Dispose() => _handle.Dispose();

    private sealed class PinnedHandle(DeviceHandle device, nint pointer) : DeviceResourceHandle(device, pointer)
    {
        protected override int Release() =>
            NativeMethods.MemoryFreeHost((NampDevice*)Device.DangerousGetHandle(), (void*)handle);

        protected override void Abandon() => Device.Abandon(handle, DeviceResource.HostMemory);
    }
}
