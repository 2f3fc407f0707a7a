using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;

namespace ManagedCuda;

/// <summary>Elements in memory of the current context.</summary>
public unsafe class CudaDeviceVariable<T> : IDisposable
    where T : struct
{
    private bool _disposed;

    /// <param name="size">Number of elements.</param>
    public CudaDeviceVariable(SizeT size)
    {
        ulong pointer;
        Size = size;
        Driver.Check(((delegate* unmanaged<ulong*, nuint, int>)Driver.Find("cuMemAlloc_v2"))(&pointer, SizeInBytes));
        DevicePointer = new CUdeviceptr(pointer);
        IsOwner = true;
    }

    /// <summary>From the device's memory pool.</summary>
    public CudaDeviceVariable(SizeT size, CudaStream stream)
    {
        ulong pointer;
        Size = size;
        Driver.Check(
            ((delegate* unmanaged<ulong*, nuint, nint, int>)Driver.Find("cuMemAllocAsync"))(
                &pointer,
                SizeInBytes,
                stream.Stream.Pointer
            )
        );
        DevicePointer = new CUdeviceptr(pointer);
        IsOwner = true;
    }

    /// <param name="devPtr">Memory that is somebody else's.</param>
    /// <param name="size">Number of bytes.</param>
    public CudaDeviceVariable(CUdeviceptr devPtr, SizeT size)
        : this(devPtr, false, size) { }

    /// <param name="devPtr">Memory.</param>
    /// <param name="isOwner">Whether to free it.</param>
    /// <param name="size">Number of bytes.</param>
    public CudaDeviceVariable(CUdeviceptr devPtr, bool isOwner, SizeT size)
    {
        if ((long)size % TypeSizeOf != 0)
            throw new CudaException("Variable size is not a multiple of its type size.");
        DevicePointer = devPtr;
        Size = (long)size / TypeSizeOf;
        IsOwner = isOwner;
    }

    public CUdeviceptr DevicePointer { get; }

    public SizeT Size { get; }

    public SizeT TypeSize => TypeSizeOf;

    public SizeT SizeInBytes => (long)Size * TypeSizeOf;

    public bool IsOwner { get; }

    private static long TypeSizeOf => Marshal.SizeOf<T>();

    public void CopyToDevice(T[] source)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        fixed (byte* host = MemoryMarshal.Cast<T, byte>(source.AsSpan()))
            Driver.Check(
                ((delegate* unmanaged<ulong, byte*, nuint, int>)Driver.Find("cuMemcpyHtoD_v2"))(
                    DevicePointer,
                    host,
                    (nuint)(Math.Min(source.Length, (long)Size) * TypeSizeOf)
                )
            );
    }

    public void CopyToHost(T[] dest)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        fixed (byte* host = MemoryMarshal.Cast<T, byte>(dest.AsSpan()))
            Driver.Check(
                ((delegate* unmanaged<byte*, ulong, nuint, int>)Driver.Find("cuMemcpyDtoH_v2"))(
                    host,
                    DevicePointer,
                    (nuint)(Math.Min(dest.Length, (long)Size) * TypeSizeOf)
                )
            );
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool fDisposing)
    {
        if (fDisposing && !_disposed && IsOwner)
            _ = ((delegate* unmanaged<ulong, int>)Driver.Find("cuMemFree_v2"))(DevicePointer);
        _disposed = true;
    }

    public static implicit operator T[](CudaDeviceVariable<T> d)
    {
        var host = new T[(long)d.Size];
        d.CopyToHost(host);
        return host;
    }

    public static implicit operator CudaDeviceVariable<T>(T[] d)
    {
        var variable = new CudaDeviceVariable<T>(d.LongLength);
        variable.CopyToDevice(d);
        return variable;
    }
}
