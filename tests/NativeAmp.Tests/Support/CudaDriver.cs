using System.Runtime.InteropServices;

namespace NativeAmp.Tests;

/// <summary>
/// Calls of the driver as from another library of the process, on the first device's primary context. The driver is the
/// emulated one, or the machine's own.
/// </summary>
internal sealed unsafe class CudaDriver
{
    private const uint NonBlocking = 1;

    private readonly nint _library = NativeLibrary.Load(
        EmulatedGpu.IsChosen ? EmulatedGpu.Driver
        : OperatingSystem.IsWindows() ? "nvcuda.dll"
        : "libcuda.so.1"
    );

    /// <summary>Retains the context, and makes it current until the scope is disposed.</summary>
    public Scope MakeCurrent()
    {
        nint context;
        Check(((delegate* unmanaged<uint, int>)Find("cuInit"))(0));
        Check(((delegate* unmanaged<nint*, int, int>)Find("cuDevicePrimaryCtxRetain"))(&context, 0));
        Check(((delegate* unmanaged<nint, int>)Find("cuCtxPushCurrent_v2"))(context));
        return new Scope(this);
    }

    /// <summary>The context that is current on this thread.</summary>
    public nint Current()
    {
        nint context;
        Check(((delegate* unmanaged<nint*, int>)Find("cuCtxGetCurrent"))(&context));
        return context;
    }

    /// <summary>A CUdeviceptr.</summary>
    public nint Allocate(int bytes)
    {
        ulong pointer;
        Check(((delegate* unmanaged<ulong*, nuint, int>)Find("cuMemAlloc_v2"))(&pointer, (nuint)bytes));
        return (nint)pointer;
    }

    /// <summary>A CUdeviceptr to these elements.</summary>
    public nint Allocate<T>(ReadOnlySpan<T> elements)
        where T : unmanaged
    {
        nint pointer = Allocate(elements.Length * sizeof(T));
        fixed (T* source = elements)
            Check(
                ((delegate* unmanaged<ulong, void*, nuint, int>)Find("cuMemcpyHtoD_v2"))(
                    (ulong)pointer,
                    source,
                    (nuint)(elements.Length * sizeof(T))
                )
            );
        return pointer;
    }

    /// <summary>Copies elements out.</summary>
    public T[] Read<T>(nint pointer, int count)
        where T : unmanaged
    {
        var elements = new T[count];
        fixed (T* destination = elements)
            Check(
                ((delegate* unmanaged<void*, ulong, nuint, int>)Find("cuMemcpyDtoH_v2"))(
                    destination,
                    (ulong)pointer,
                    (nuint)(count * sizeof(T))
                )
            );
        return elements;
    }

    /// <summary>Gives memory back.</summary>
    public void Free(nint pointer) => Check(((delegate* unmanaged<ulong, int>)Find("cuMemFree_v2"))((ulong)pointer));

    /// <summary>A CUstream that does not wait for the default one.</summary>
    public nint CreateStream()
    {
        nint stream;
        Check(((delegate* unmanaged<nint*, uint, int>)Find("cuStreamCreate"))(&stream, NonBlocking));
        return stream;
    }

    /// <summary>Waits for a stream.</summary>
    public void Synchronize(nint stream) =>
        Check(((delegate* unmanaged<nint, int>)Find("cuStreamSynchronize"))(stream));

    /// <summary>Ends a stream.</summary>
    public void Destroy(nint stream) => Check(((delegate* unmanaged<nint, int>)Find("cuStreamDestroy_v2"))(stream));

    private static void Check(int result) => Assert.That(result, Is.Zero, "a call of the driver by the test itself");

    private nint Find(string name) => NativeLibrary.GetExport(_library, name);

    /// <summary>While the context is current.</summary>
    internal readonly struct Scope(CudaDriver driver) : IDisposable
    {
        public void Dispose()
        {
            nint popped;
            Check(((delegate* unmanaged<nint*, int>)driver.Find("cuCtxPopCurrent_v2"))(&popped));
            Check(((delegate* unmanaged<int, int>)driver.Find("cuDevicePrimaryCtxRelease_v2"))(0));
        }
    }
}
