using ManagedCuda.BasicTypes;

namespace ManagedCuda.CudaBlas;

/// <summary>A handle of cuBLAS in the current context.</summary>
public unsafe class CudaBlas
{
    private static readonly Lazy<NativeModule> s_library = new(() =>
        new NativeModule("NATIVEAMP_CUBLAS_LIBRARY", "libcublas.so.12", "libcublas.so", "cublas64_12.dll")
    );

    private bool _disposed;

    public CudaBlas()
    {
        CudaBlasHandle handle = default;
        Check(((delegate* unmanaged<CudaBlasHandle*, int>)s_library.Value.Find("cublasCreate_v2"))(&handle));
        CublasHandle = handle;
    }

    public CudaBlas(CUstream stream)
        : this() => Stream = stream;

    public CudaBlasHandle CublasHandle { get; }

    public CUstream Stream
    {
        get
        {
            CUstream stream = default;
            Check(
                ((delegate* unmanaged<nint, CUstream*, int>)s_library.Value.Find("cublasGetStream_v2"))(
                    CublasHandle.Pointer,
                    &stream
                )
            );
            return stream;
        }
        set =>
            Check(
                ((delegate* unmanaged<nint, nint, int>)s_library.Value.Find("cublasSetStream_v2"))(
                    CublasHandle.Pointer,
                    value.Pointer
                )
            );
    }

    /// <summary>C = alpha op(A) op(B) + beta C, column-major, op(A) m by k, op(B) k by n.</summary>
    public void Gemm(
        Operation transa,
        Operation transb,
        int m,
        int n,
        int k,
        float alpha,
        CudaDeviceVariable<float> A,
        int lda,
        CudaDeviceVariable<float> B,
        int ldb,
        float beta,
        CudaDeviceVariable<float> C,
        int ldc
    ) =>
        Check(
            (
                (delegate* unmanaged<
                    nint,
                    int,
                    int,
                    int,
                    int,
                    int,
                    float*,
                    ulong,
                    int,
                    ulong,
                    int,
                    float*,
                    ulong,
                    int,
                    int>)
                    s_library.Value.Find("cublasSgemm_v2")
            )(
                CublasHandle.Pointer,
                (int)transa,
                (int)transb,
                m,
                n,
                k,
                &alpha,
                A.DevicePointer,
                lda,
                B.DevicePointer,
                ldb,
                &beta,
                C.DevicePointer,
                ldc
            )
        );

    // Not of IDisposable: ManagedCuda's is not either.
    public void Dispose()
    {
        if (!_disposed)
            _ = ((delegate* unmanaged<nint, int>)s_library.Value.Find("cublasDestroy_v2"))(CublasHandle.Pointer);
        _disposed = true;
    }

    private static void Check(int status)
    {
        if (status != (int)CublasStatus.Success)
            throw new CudaBlasException((CublasStatus)status);
    }
}
