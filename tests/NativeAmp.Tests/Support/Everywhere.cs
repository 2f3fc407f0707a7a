namespace NativeAmp.Tests;

/// <summary>
/// Runs a computation in all settings that must give the same bytes: on the CPU with 1, 2, 3 and 8 threads on every
/// SIMD instruction set; for a GPU on it and on the CPU.
/// </summary>
internal static class Everywhere
{
    public static void SameBits(DeviceKind kind, Func<Device, byte[]> compute)
    {
        if (kind == DeviceKind.Cuda)
        {
            byte[] onCpu,
                onGpu;
            using (var gpu = kind.Open())
                onGpu = compute(gpu);
            using (var cpu = Device.Cpu())
                onCpu = compute(cpu);
            AssertSame(onGpu, onCpu, "on the GPU");
            return;
        }
        byte[]? first = null;
        foreach (var (threads, simd) in Machine.Settings)
        {
            using var device = Device.Cpu(threads);
            device.Simd = simd;
            byte[] bytes = compute(device);
            first ??= bytes;
            AssertSame(bytes, first, $"with {threads} threads and {simd}");
        }
    }

    private static void AssertSame(byte[] bytes, byte[] expected, string where)
    {
        int difference = bytes.AsSpan().CommonPrefixLength(expected);
        Assert.That(difference, Is.EqualTo(expected.Length), $"{where} byte {difference} differs");
    }
}
