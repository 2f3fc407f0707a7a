namespace NativeAmp.Tests;

/// <summary>The CPU in all settings that must give the same results.</summary>
internal static class Machine
{
    /// <summary>The SIMD instruction sets that this machine has.</summary>
    public static IReadOnlyList<SimdTarget> SimdTargets { get; } = FindSimdTargets();

    /// <summary>Devices with 1, 2, 3 and 8 threads, each with every instruction set in turn.</summary>
    public static IEnumerable<(int Threads, SimdTarget Simd)> Settings =>
        from threads in (int[])[1, 2, 3, 8]
        from simd in SimdTargets
        select (threads, simd);

    /// <summary>Sets each instruction set of a device; a GPU has only its own, and is run once.</summary>
    public static IEnumerable<string> EachSimd(Device device)
    {
        if (device.Kind != DeviceKind.Cpu)
        {
            yield return device.Kind.ToString();
            yield break;
        }
        foreach (var simd in SimdTargets)
        {
            device.Simd = simd;
            yield return simd.ToString();
        }
    }

    private static List<SimdTarget> FindSimdTargets()
    {
        using var device = Device.Cpu(1);
        var targets = new List<SimdTarget>();
        SimdTarget[] all = [SimdTarget.Baseline, SimdTarget.Avx2, SimdTarget.Avx512, SimdTarget.NeonDotProduct];
        foreach (var target in all)
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
