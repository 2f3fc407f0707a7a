namespace NativeAmp.Tests;

public sealed class DeviceTests
{
    [Test]
    public void The_processors_say_what_they_are()
    {
        using var device = Device.Cpu(3);
        var info = device.Info;
        Assert.That(
            (info.Kind, info.Ordinal, info.Threads, device.IsHostMemory),
            Is.EqualTo((DeviceKind.Cpu, 0, 3, true))
        );
        Assert.That(info.Name, Is.Not.Empty);
        Assert.That(info.MemoryTotal, Is.GreaterThan(0));
        Assert.That(Machine.SimdTargets, Does.Contain(SimdTarget.Baseline));
    }

    [Test]
    public void A_number_of_threads_that_cannot_be_is_refused()
    {
        Assert.That(() => Device.Cpu(-1), Throws.InstanceOf<NativeAmpArgumentException>().With.Message.Contains("-1"));
        Assert.That(() => Device.Cpu(1025), Throws.InstanceOf<NativeAmpArgumentException>());
        Assert.That(() => new Func<Device>(() => Device.Cpu(0))().Threads, Is.GreaterThan(0));
    }

    [Test]
    public void A_number_of_a_device_that_is_not_there_is_refused([Values(-1, 1, 99)] int ordinal)
    {
        int count = Device.Available(DeviceKind.Cuda).Count;
        Assert.That(Device.Available(DeviceKind.Cpu).Count, Is.EqualTo(1));
        Assert.That(
            () => Device.Cuda(ordinal < 0 ? ordinal : count + ordinal),
            Throws.InstanceOf<NativeAmpUnavailableException>().With.Message.Not.Empty
        );
    }

    [Test]
    public void The_CPU_has_one_stream()
    {
        using var device = Device.Cpu(1);
        using var stream = device.CreateStream();
        Assert.That(stream, Is.SameAs(device.Stream));
        stream.Synchronize();
        Assert.That(device.BorrowStream(0), Is.SameAs(device.Stream));
    }
}
