using System.Runtime.InteropServices;

namespace ManagedCuda.BasicTypes;

[StructLayout(LayoutKind.Sequential)]
public struct CUcontext
{
    public IntPtr Pointer;
}

[StructLayout(LayoutKind.Sequential)]
public struct CUdevice
{
    public int Pointer;
}

[StructLayout(LayoutKind.Sequential)]
public struct CUstream
{
    public IntPtr Pointer;

    public static CUstream NullStream => default;

    public static CUstream LegacyStream => new() { Pointer = 1 };

    public static CUstream StreamPerThread => new() { Pointer = 2 };
}

[StructLayout(LayoutKind.Sequential)]
public struct CUdeviceptr
{
    public SizeT Pointer;

    public CUdeviceptr(SizeT pointer) => Pointer = pointer;

    // Attributes by their numbers in cuda.h.
    public CUcontext AttributeContext => Driver.PointerAttribute<CUcontext>(this, 1);

    public int AttributeDeviceOrdinal => Driver.PointerAttribute<int>(this, 9);

    public static implicit operator ulong(CUdeviceptr src) => src.Pointer;

    public static CUdeviceptr operator +(CUdeviceptr src, SizeT value) => new((ulong)src.Pointer + (ulong)value);
}
