namespace NativeAmp.Tests;

public sealed class DeviceTests
{
    [Test]
    public void The_processors_say_what_they_are()
    {
        using var device = Device.Cpu(3);
        var info = device.Info;
        Assert.That((info.Kind, info.Ordinal, info.Threads, device.IsHostMemory), Is.EqualTo((DeviceKind.Cpu, 0, 3, true)));
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
    public void No_GPU_is_a_state_with_a_reason()
    {
        var cuda = Device.Available(DeviceKind.Cuda);
        if (cuda.Count > 0) Assert.Ignore("there is a GPU here");
        Assert.That(cuda.Reason, Is.Not.Empty);
        Assert.That(() => Device.Cuda(), Throws.InstanceOf<NativeAmpUnavailableException>().With.Message.Not.Empty);
        using var best = Device.Best();
        Assert.That(best.Kind, Is.EqualTo(DeviceKind.Cpu));
        Assert.That(Device.Available(DeviceKind.Cpu).Count, Is.EqualTo(1));
    }

    [Test]
    public void Elements_go_in_and_come_out()
    {
        using var device = Device.Cpu(1);
        using var buffer = device.Allocate<float>([1, 2, 3, 4]);
        buffer.CopyFrom<float>([9, 8], offset: 1);
        var two = new float[2];
        buffer.CopyTo(two.AsSpan(), offset: 2);

        Assert.That(buffer.ToArray<float>(), Is.EqualTo(new[] { 1f, 9, 8, 4 }));
        Assert.That(two, Is.EqualTo(new[] { 8f, 4 }));
        Assert.That(buffer.AsSpan<float>()[1], Is.EqualTo(9));
        buffer.Clear();
        Assert.That(buffer.ToArray<float>(), Is.All.Zero);
    }

    [Test]
    public void What_does_not_fit_a_buffer_is_refused()
    {
        using var device = Device.Cpu(1);
        using var buffer = device.Allocate(DType.Float32, 4);
        Assert.That(() => buffer.CopyFrom<Half>(new Half[1]), Throws.ArgumentException.With.Message.Contains("float32"));
        Assert.That(() => buffer.AsSpan<int>().Length, Throws.ArgumentException);
        Assert.That(() => buffer.CopyFrom<float>(new float[5]), Throws.ArgumentException);
        Assert.That(() => buffer.CopyTo<float>(new float[1], offset: 4), Throws.ArgumentException);
        Assert.That(() => buffer.CopyTo<float>(new float[1], offset: -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => buffer.CopyTo<float>(new float[1], offset: long.MaxValue), Throws.ArgumentException);
        Assert.That(() => device.Allocate(DType.None, 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => device.Allocate(DType.Float32, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => device.Allocate(DType.Float32, long.MaxValue / 2), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => device.Allocate(DType.Float32, 1L << 50), Throws.InstanceOf<DeviceOutOfMemoryException>());
    }

    [Test]
    public void A_disposed_buffer_says_so_and_disposing_twice_is_harmless()
    {
        using var device = Device.Cpu(1);
        var buffer = device.Allocate(DType.Float32, 4);
        buffer.Dispose();
        buffer.Dispose();
        Assert.That(() => buffer.Pointer, Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => buffer.CopyFrom<float>([1]), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void A_device_outlives_its_disposal_as_long_as_a_buffer_of_it()
    {
        var device = Device.Cpu(1);
        var buffer = device.Allocate<float>([1, 2]);
        device.Dispose();

        Assert.That(buffer.AsSpan<float>()[1], Is.EqualTo(2));
        buffer.Dispose();
        Assert.That(() => device.Info, Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Memory_is_counted_by_what_it_is_for_and_reused()
    {
        using var device = Device.Cpu(1);
        using (device.Allocate(DType.Float32, 1000, MemoryKind.Gradients))
            Assert.That(device.MemoryStatistics.LiveBytes(MemoryKind.Gradients), Is.InRange(4000, 8192));
        long asked = device.MemoryStatistics.SystemAllocations;
        for (int i = 0; i < 10; i++) device.Allocate(DType.Float32, 1000, MemoryKind.Activations).Dispose();

        var after = device.MemoryStatistics;
        Assert.That((after.SystemAllocations, after.LiveTotalBytes), Is.EqualTo((asked, 0L)));
        Assert.That(after.PeakBytes(MemoryKind.Activations), Is.EqualTo(after.PeakBytes(MemoryKind.Gradients)).And.GreaterThan(0));
        Assert.That(after.PeakTotalBytes, Is.EqualTo(after.PeakBytes(MemoryKind.Gradients)));
        device.ResetPeakMemory();
        device.TrimMemory();
        Assert.That((device.MemoryStatistics.PeakTotalBytes, device.MemoryStatistics.CachedBytes), Is.EqualTo((0L, 0L)));
    }

    [Test]
    public void A_buffer_that_nobody_disposed_is_given_back_all_the_same()
    {
        using var device = Device.Cpu(1);
        Abandon(device);
        GC.Collect();
        GC.WaitForPendingFinalizers();

        device.TrimMemory();

        Assert.That(device.MemoryStatistics.LiveTotalBytes, Is.Zero);
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

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static void Abandon(Device device) => device.Allocate(DType.Float32, 1000, MemoryKind.Gradients);
}
