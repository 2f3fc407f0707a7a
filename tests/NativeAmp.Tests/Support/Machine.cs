namespace NativeAmp.Tests;

/// <summary>The CPU in all the ways in which it must compute the same.</summary>
internal static class Machine
{
    /// <summary>Whether tests of minutes run whole: <c>./build.sh test --exhaustive</c>.</summary>
    public static bool Exhaustive => Environment.GetEnvironmentVariable("NATIVEAMP_EXHAUSTIVE") == "1";

    /// <summary>The SIMD instruction sets that this machine has.</summary>
    public static IReadOnlyList<SimdTarget> SimdTargets { get; } = FindSimdTargets();

    /// <summary>Devices with 1, 2, 3 and 8 threads, each with every instruction set in turn.</summary>
    public static IEnumerable<(int Threads, SimdTarget Simd)> Settings =>
        from threads in (int[])[1, 2, 3, 8]
        from simd in SimdTargets
        select (threads, simd);

    private static List<SimdTarget> FindSimdTargets()
    {
        using var device = Device.Cpu(1);
        var targets = new List<SimdTarget>();
        foreach (var target in (SimdTarget[])[SimdTarget.Baseline, SimdTarget.Avx2, SimdTarget.Avx512])
        {
            try
            {
                device.Simd = target;
                targets.Add(target);
            }
            catch (NativeAmpUnsupportedException)
            {
                // The machine lacks it.
            }
        }
        return targets;
    }
}
