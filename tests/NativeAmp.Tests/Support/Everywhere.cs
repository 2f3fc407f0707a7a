namespace NativeAmp.Tests;

/// <summary>Runs a computation with 1, 2, 3 and 8 threads on every SIMD instruction set, and expects the same bytes each time.</summary>
internal static class Everywhere
{
    public static void SameBits(Func<Device, byte[]> compute)
    {
        byte[]? first = null;
        foreach (var (threads, simd) in Machine.Settings)
        {
            using var device = Device.Cpu(threads);
            device.Simd = simd;
            byte[] bytes = compute(device);
            first ??= bytes;
            int difference = bytes.AsSpan().CommonPrefixLength(first);
            Assert.That(difference, Is.EqualTo(first.Length), $"with {threads} threads and {simd} byte {difference} differs");
        }
    }
}
