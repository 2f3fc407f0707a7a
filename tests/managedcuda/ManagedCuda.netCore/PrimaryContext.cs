using ManagedCuda.BasicTypes;

namespace ManagedCuda;

/// <summary>The context that a device's libraries share; not current by itself.</summary>
public unsafe class PrimaryContext : CudaContext
{
    public PrimaryContext()
        : this(0) { }

    public PrimaryContext(int deviceId)
        : base(true, deviceId)
    {
        CUcontext context = default;
        Driver.Check(
            ((delegate* unmanaged<CUcontext*, int, int>)Driver.Find("cuDevicePrimaryCtxRetain"))(
                &context,
                _device.Pointer
            )
        );
        _context = context;
    }

    protected override void Dispose(bool fDisposing)
    {
        if (fDisposing && !disposed)
            _ = ((delegate* unmanaged<int, int>)Driver.Find("cuDevicePrimaryCtxRelease_v2"))(_device.Pointer);
        base.Dispose(fDisposing);
    }
}
