using ManagedCuda.BasicTypes;

namespace ManagedCuda;

/// <summary>A context of its own, current on the thread that made it.</summary>
public unsafe class CudaContext : IDisposable
{
    protected CUcontext _context;
    protected CUdevice _device;
    protected int _deviceID;
    protected bool disposed;
    private readonly bool _contextOwner;

    public CudaContext()
        : this(0) { }

    public CudaContext(int deviceId)
        : this(deviceId, true) { }

    /// <param name="deviceId">The device.</param>
    /// <param name="createNew">False binds the object to the thread's current context, if there is one.</param>
    public CudaContext(int deviceId, bool createNew)
        : this(true, deviceId)
    {
        CUcontext context = default;
        if (!createNew)
            Driver.Check(DriverAPINativeMethods.ContextManagement.cuCtxGetCurrent(ref context));
        if (context.Pointer == 0)
        {
            Driver.Check(
                ((delegate* unmanaged<CUcontext*, uint, int, int>)Driver.Find("cuCtxCreate_v2"))(
                    &context,
                    0,
                    _device.Pointer
                )
            );
            _contextOwner = true;
        }
        _context = context;
    }

    internal CudaContext(bool inheritedContext, int deviceId)
    {
        _ = inheritedContext;
        _deviceID = deviceId;
        _device = Driver.Device(deviceId);
    }

    public CUcontext Context => _context;

    public CUdevice Device => _device;

    public int DeviceId => _deviceID;

    public bool IsContextOwner => _contextOwner;

    public static int GetDeviceCount()
    {
        int count;
        Driver.Check(((delegate* unmanaged<int*, int>)Driver.Find("cuDeviceGetCount"))(&count));
        return count;
    }

    public void PushContext() => OnContext("cuCtxPushCurrent_v2");

    public void SetCurrent() => OnContext("cuCtxSetCurrent");

    public void PopContext()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        fixed (CUcontext* context = &_context)
            Driver.Check(((delegate* unmanaged<CUcontext*, int>)Driver.Find("cuCtxPopCurrent_v2"))(context));
    }

    public void Synchronize()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Driver.Check(((delegate* unmanaged<int>)Driver.Find("cuCtxSynchronize"))());
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool fDisposing)
    {
        if (fDisposing && !disposed && _contextOwner)
            _ = ((delegate* unmanaged<nint, int>)Driver.Find("cuCtxDestroy_v2"))(_context.Pointer);
        disposed = true;
    }

    private void OnContext(string function)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Driver.Check(((delegate* unmanaged<nint, int>)Driver.Find(function))(_context.Pointer));
    }
}
