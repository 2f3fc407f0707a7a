using ManagedCuda.BasicTypes;

namespace NativeAmp.ManagedCuda;

/// <summary>Element types of ManagedCuda's variables as NativeAmp's.</summary>
internal static class ManagedCudaTypes
{
    /// <summary>The type of a variable's elements: ManagedCuda's own half types are as good as .NET's.</summary>
    /// <exception cref="ArgumentException">NativeAmp has no such type.</exception>
    public static DType Of<T>()
        where T : unmanaged
    {
        if (typeof(T) == typeof(half))
            return DType.Float16;
        if (typeof(T) == typeof(bfloat16))
            return DType.BFloat16;
        return DTypes.Of<T>();
    }
}
