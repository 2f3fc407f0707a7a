using ManagedCuda.BasicTypes;

namespace ManagedCuda;

/// <summary>Functions of the driver by their own names.</summary>
public static unsafe class DriverAPINativeMethods
{
    public static class ContextManagement
    {
        public static CUResult cuCtxGetCurrent(ref CUcontext pctx)
        {
            fixed (CUcontext* context = &pctx)
                return (CUResult)((delegate* unmanaged<CUcontext*, int>)Driver.Find("cuCtxGetCurrent"))(context);
        }
    }

    public static class Streams
    {
        public static CUResult cuStreamGetCtx(CUstream hStream, ref CUcontext pctx)
        {
            fixed (CUcontext* context = &pctx)
                return (CUResult)
                    ((delegate* unmanaged<nint, CUcontext*, int>)Driver.Find("cuStreamGetCtx"))(
                        hStream.Pointer,
                        context
                    );
        }
    }
}
