using ManagedCuda.BasicTypes;

namespace ManagedCuda;

/// <summary>A stream of the current context.</summary>
public unsafe class CudaStream : IDisposable
{
    private readonly bool _isOwner;
    private bool _disposed;

    public CudaStream()
        : this(CUStreamFlags.None) { }

    public CudaStream(CUStreamFlags flags)
    {
        CUstream stream = default;
        Driver.Check(((delegate* unmanaged<CUstream*, uint, int>)Driver.Find("cuStreamCreate"))(&stream, (uint)flags));
        Stream = stream;
        _isOwner = true;
    }

    public CudaStream(CUstream stream) => Stream = stream;

    public CUstream Stream { get; set; }

    public void Synchronize()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Driver.Check(((delegate* unmanaged<nint, int>)Driver.Find("cuStreamSynchronize"))(Stream.Pointer));
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool fDisposing)
    {
        if (!fDisposing || _disposed || !_isOwner)
            return;
        _ = ((delegate* unmanaged<nint, int>)Driver.Find("cuStreamDestroy_v2"))(Stream.Pointer);
        _disposed = true;
    }
}
