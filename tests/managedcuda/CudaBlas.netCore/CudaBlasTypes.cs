using System.Runtime.InteropServices;

namespace ManagedCuda.CudaBlas;

public enum Operation
{
    NonTranspose = 0,
    Transpose = 1,
    ConjugateTranspose = 2,
}

/// <summary>Results of cuBLAS, by their numbers in cublas_api.h; not all of them.</summary>
public enum CublasStatus
{
    Success = 0,
    NotInitialized = 1,
    InvalidValue = 7,
}

[StructLayout(LayoutKind.Sequential)]
public struct CudaBlasHandle
{
    public IntPtr Pointer;
}

public class CudaBlasException(CublasStatus error) : Exception($"cuBLAS: {error}")
{
    public CublasStatus CudaBlasError { get; } = error;
}
