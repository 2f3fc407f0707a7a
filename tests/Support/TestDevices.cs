namespace NativeAmp.TestSupport;

/// <summary>
/// The devices that tests run on, for <c>[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]</c>: the
/// processors, and a GPU. The GPU is the emulated one of tests/gpu-emulator, which also checks every access;
/// <c>NATIVEAMP_TEST_GPU=1</c> takes the machine's own.
/// </summary>
internal static class TestDevices
{
    // A GPU's primary context goes with the last device, and is made anew for the next test: on an H200 nine in ten of
    // the core's tests took 0.3 seconds or more. The emulated GPU looks for what is left when it goes.
    private static readonly Lazy<Device> s_keptOpen = new(() => Device.Cuda());

    /// <summary>Kinds of devices. Tests for a missing kind are skipped with the reason.</summary>
    public static IEnumerable<DeviceKind> All => [DeviceKind.Cpu, DeviceKind.Cuda];

    /// <summary>Whether to run long tests completely: <c>./build.sh test --exhaustive</c>.</summary>
    public static bool Exhaustive => Environment.GetEnvironmentVariable("NATIVEAMP_EXHAUSTIVE") == "1";

    /// <summary>
    /// Whether a device is so slow that tests use a sample: every instruction of the emulated GPU is interpreted.
    /// </summary>
    public static bool IsEmulated(this DeviceKind kind) => kind == DeviceKind.Cuda && EmulatedGpu.IsChosen;

    /// <summary>Skips the test, with the reason, where there is no GPU. It fails if one was requested.</summary>
    public static void RequireGpu()
    {
        DeviceAvailability gpu = Device.Available(DeviceKind.Cuda);
        if (gpu.Count == 0 && EmulatedGpu.OwnIsAskedFor)
            Assert.Fail($"NATIVEAMP_TEST_GPU asks for this machine's GPU. {gpu.Reason}");
        if (gpu.Count == 0)
            Assert.Ignore(gpu.Reason);
    }

    /// <summary>Opens the device. Without one the test is skipped as by <see cref="RequireGpu"/>.</summary>
    /// <param name="kind">The kind of device.</param>
    /// <param name="threads">Threads of the CPU; 0 for one per core.</param>
    public static Device Open(this DeviceKind kind, int threads = 0)
    {
        if (kind == DeviceKind.Cpu)
            return Device.Cpu(threads);
        RequireGpu();
        if (!EmulatedGpu.IsChosen)
            _ = s_keptOpen.Value;
        return Device.Cuda();
    }
}
