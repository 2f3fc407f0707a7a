namespace NativeAmp.Planning;

/// <summary>
/// Sizes that NativeAmp's memory pool hands out: eight classes between powers of two, at least 256 bytes
/// (native/abi/memory_pool.cpp).
/// </summary>
internal static class PoolSize
{
    private const long Granule = 256;

    /// <summary>The size that the pool hands out for a number of bytes.</summary>
    public static double Of(double bytes)
    {
        double step = Granule;
        while (step * 16 <= bytes)
            step *= 2;
        return Math.Ceiling(bytes / step) * step;
    }
}
