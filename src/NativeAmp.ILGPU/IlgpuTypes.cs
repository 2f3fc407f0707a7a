namespace NativeAmp.ILGPU;

/// <summary>Element types of ILGPU's views as NativeAmp's.</summary>
internal static class IlgpuTypes
{
    /// <summary>The type of a view's elements: ILGPU's own half is float16, as .NET's is.</summary>
    /// <exception cref="ArgumentException">NativeAmp has no such type.</exception>
    public static DType Of<T>()
        where T : unmanaged => typeof(T) == typeof(global::ILGPU.Half) ? DType.Float16 : DTypes.Of<T>();
}
