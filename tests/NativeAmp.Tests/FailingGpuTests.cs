namespace NativeAmp.Tests;

/// <summary>What a driver's refusals say, and what becomes of them.</summary>
public sealed class FailingGpuTests
{
    [SetUp]
    public void Require() => EmulatedGpu.Require();

    [TearDown]
    public void Forget() => EmulatedGpu.FailNone();

    [TestCase(46, "compute mode")]
    [TestCase(200, "Update NVIDIA's driver")]
    [TestCase(218, "report it with the log")]
    [TestCase(221, "NVIDIA_DRIVER_CAPABILITIES=compute,utility")]
    [TestCase(223, "CUDA_DISABLE_PTX_JIT")]
    [TestCase(304, "limits of the container")]
    [TestCase(702, "TdrDelay")]
    public void An_image_that_is_not_loaded_says_what_to_do(int code, string advice)
    {
        using var device = Device.Cuda();
        using var values = device.Allocate<float>([1]);
        using var halves = device.Allocate(DType.Float16, 1);
        EmulatedGpu.Fail("cuModuleLoadDataEx", 1, code);
        EmulatedGpu.Fail("cuModuleLoadDataEx", 2, code); // where nvcc made the first image, clang's PTX is tried next

        Assert.That(
            () => AmpKernels.Cast(device, halves.ToCell(), values.ToCell(), 1),
            Throws
                .InstanceOf<NativeAmpDeviceException>()
                .With.Message.Contains("cuModuleLoadDataEx")
                .And.Message.Contains(advice)
        );
    }

    [Test]
    public void The_best_device_is_one_that_opens()
    {
        EmulatedGpu.Fail("cuDevicePrimaryCtxRetain", 1, 46);
        using (var device = Device.Best())
            Assert.That(
                device.Kind,
                Is.EqualTo(Device.Available(DeviceKind.Cuda).Count > 1 ? DeviceKind.Cuda : DeviceKind.Cpu)
            );
        EmulatedGpu.FailNone();
        using (var device = Device.Best())
            Assert.That(device.Kind, Is.EqualTo(DeviceKind.Cuda));
    }
}
