namespace NativeAmp.Tests;

/// <summary>Tests of the emulated GPU itself: a finding fails a test, and counters can be read.</summary>
public sealed class EmulatedGpuTests
{
    [SetUp]
    public void Require() => EmulatedGpu.Require();

    [Test]
    public void A_finding_fails_the_test_that_it_was_made_in()
    {
        EmulatedGpu.Report(NampemuKind.OutOfBounds, "planted");

        Assert.That(
            () => new FindingsFailTestsAttribute().AfterTest(null!),
            Throws.InstanceOf<AssertionException>().With.Message.Contains("planted")
        );
        Assert.That(EmulatedGpu.TakeFindings(), Is.Empty, "a finding is told once");
    }

    [Test]
    public void Every_test_is_watched() =>
        Assert.That(typeof(EmulatedGpuTests).Assembly.IsDefined(typeof(FindingsFailTestsAttribute), inherit: false));

    [Test]
    public void A_wrong_pointer_is_found()
    {
        using (var device = Device.Cuda())
        using (var buffer = device.Allocate<float>([1, 2, 3, 4]))
        {
            // Far beyond the buffer, its pool's segment and everything else.
            nint wrong = (nint)((long)buffer.Pointer + (1L << 32));
            Assert.That(
                () =>
                {
                    AmpKernels.Cast(device, new(wrong, DType.Float32), buffer.ToCell(), 4);
                    device.Stream.Synchronize();
                },
                Throws.InstanceOf<NativeAmpDeviceException>().With.Message.Contains("CUDA_ERROR_ILLEGAL_ADDRESS")
            );
        }

        // A broken context releases nothing: these leaks are expected.
        Assert.That(
            EmulatedGpu.TakeFindings(leaks: false),
            Has.Count.EqualTo(1).And.All.Contains("out of bounds").And.All.Contains("cast")
        );
    }

    [Test]
    public void Memory_that_is_alive_when_the_device_goes_is_found()
    {
        var driver = new CudaDriver();
        var device = Device.Cuda();
        using (driver.MakeCurrent())
            driver.Allocate(64);
        device.Dispose();

        Assert.That(EmulatedGpu.TakeFindings(), Has.Some.Contains("1 allocations (64 bytes)"));
    }

    [Test]
    public unsafe void Launches_copies_and_bytes_are_counted()
    {
        using var device = Device.Cuda();
        using var buffer = device.Allocate<float>(new float[1024]);
        using var halves = device.Allocate(DType.Float16, 1024);
        EmulatedGpu.ResetCounters();

        AmpKernels.Cast(device, halves.ToCell(), buffer.ToCell(), 1024);
        halves.ToArray<Half>();

        NampemuCounters counters = EmulatedGpu.Counters;
        Assert.That(
            (counters.Launches, counters.Global.Loaded[4], counters.Global.Stored[4]),
            Is.EqualTo((1, 4096, 2048))
        );
        Assert.That((counters.CopiesToHost, counters.BytesToHost, counters.Gemms), Is.EqualTo((1, 2048, 0)));
        Assert.That(counters.HostWaits, Is.GreaterThan(0));
        Assert.That(EmulatedGpu.Calls()["cuLaunchKernel"], Is.EqualTo(1));
    }
}
