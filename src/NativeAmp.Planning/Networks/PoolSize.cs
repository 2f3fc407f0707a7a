namespace NativeAmp.Planning;

/// <summary>
/// Sizes that NativeAmp's memory pool hands out: eight classes between powers of two, 256 bytes at the least
/// (native/abi/memory_pool.cpp).
/// </summary>
internal static class PoolSize
{
    private const long Granule = 256;

    /// <summary>What a piece of so many bytes takes.</summary>
    public static double Of(double bytes)
    {
        double step = Granule;
        while (step * 16 <= bytes)
            step *= 2;
        return Math.Ceiling(bytes / step) * step;
    }
}
