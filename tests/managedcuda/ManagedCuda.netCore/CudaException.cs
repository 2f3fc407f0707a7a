using ManagedCuda.BasicTypes;

namespace ManagedCuda;

public class CudaException : Exception
{
    public CudaException(CUResult error)
        : base($"CUDA driver: {error}") => CudaError = error;

    public CudaException(string message)
        : base(message) { }

    public CUResult CudaError { get; }
}
