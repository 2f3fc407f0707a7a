using ManagedCuda.BasicTypes;

namespace ManagedCuda;

/// <summary>The CUDA driver: its functions by name, and its results as exceptions.</summary>
internal static unsafe class Driver
{
    private static readonly Lazy<NativeModule> s_library = new(() =>
    {
        var library = new NativeModule("NATIVEAMP_CUDA_LIBRARY", "libcuda.so.1", "nvcuda.dll");
        Check((CUResult)((delegate* unmanaged<uint, int>)library.Find("cuInit"))(0));
        return library;
    });

    public static nint Find(string name) => s_library.Value.Find(name);

    public static void Check(int result) => Check((CUResult)result);

    public static void Check(CUResult result)
    {
        if (result != CUResult.Success)
            throw new CudaException(result);
    }

    /// <summary>An attribute of a pointer, by its number in cuda.h.</summary>
    public static T PointerAttribute<T>(CUdeviceptr pointer, int attribute)
        where T : unmanaged
    {
        T value = default;
        Check(((delegate* unmanaged<T*, int, ulong, int>)Find("cuPointerGetAttribute"))(&value, attribute, pointer));
        return value;
    }

    public static CUdevice Device(int ordinal)
    {
        CUdevice device = default;
        Check(((delegate* unmanaged<CUdevice*, int, int>)Find("cuDeviceGet"))(&device, ordinal));
        return device;
    }
}
