namespace NativeAmp.Tests;

/// <summary>Memory of a device: copies in and out, who releases it, and the statistics.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class DeviceMemoryTests(DeviceKind kind)
{
    [Test]
    public void Elements_go_in_and_come_out()
    {
        using var device = kind.Open(1);
        using var buffer = device.Allocate<float>([1, 2, 3, 4]);
        buffer.CopyFrom<float>([9, 8], offset: 1);
        var two = new float[2];
        buffer.CopyTo(two.AsSpan(), offset: 2);

        Assert.That(buffer.ToArray<float>(), Is.EqualTo(new[] { 1f, 9, 8, 4 }));
        Assert.That(two, Is.EqualTo(new[] { 8f, 4 }));
        if (device.IsHostMemory)
            Assert.That(buffer.AsSpan<float>()[1], Is.EqualTo(9));
        else
            Assert.That(
                () => buffer.AsSpan<float>().Length,
                Throws.InvalidOperationException.With.Message.Contains("CopyTo")
            );
        buffer.Clear();
        Assert.That(buffer.ToArray<float>(), Is.All.Zero);
    }

    [Test]
    public void What_does_not_fit_a_buffer_is_refused()
    {
        using var device = kind.Open(1);
        using var buffer = device.Allocate(DType.Float32, 4);
        Assert.That(
            () => buffer.CopyFrom<Half>(new Half[1]),
            Throws.ArgumentException.With.Message.Contains("float32")
        );
        Assert.That(() => buffer.AsSpan<int>().Length, Throws.ArgumentException);
        Assert.That(() => buffer.CopyFrom<float>(new float[5]), Throws.ArgumentException);
        Assert.That(() => buffer.CopyTo<float>(new float[1], offset: 4), Throws.ArgumentException);
        Assert.That(
            () => buffer.CopyTo<float>(new float[1], offset: -1),
            Throws.InstanceOf<ArgumentOutOfRangeException>()
        );
        Assert.That(() => buffer.CopyTo<float>(new float[1], offset: long.MaxValue), Throws.ArgumentException);
        Assert.That(() => device.Allocate(DType.None, 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => device.Allocate(DType.Float32, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(
            () => device.Allocate(DType.Float32, long.MaxValue / 2),
            Throws.InstanceOf<ArgumentOutOfRangeException>()
        );
        Assert.That(() => device.Allocate(DType.Float32, 1L << 50), Throws.InstanceOf<DeviceOutOfMemoryException>());
    }

    [Test]
    public void Too_much_memory_is_refused_with_what_was_asked_what_is_free_and_what_holds_the_rest()
    {
        using var device = kind.Open(1);
        using var gradients = device.Allocate(DType.Float32, 1000, MemoryKind.Gradients);
        using var parameters = device.Allocate(DType.Float32, 64, MemoryKind.Parameters);

        var failure = Assert.Throws<DeviceOutOfMemoryException>(() => device.Allocate(DType.Float32, 1L << 48))!;

        Assert.That(
            failure.Message,
            Does.Contain($"{1L << 50} bytes").And.Match("In use here, in bytes: parameters 256, gradients 4096")
        );
        Assert.That(failure.Message, Does.Match(@"\d+ MiB of the (device|machine)'s \d+ MiB are free"));
        if (kind == DeviceKind.Cuda)
            Assert.That(failure.Message, Does.Contain("cuMemAlloc").And.Contains("CUDA_ERROR_OUT_OF_MEMORY"));
        Assert.That(device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(4096 + 256), "nothing was changed");
    }

    [Test]
    public void A_disposed_buffer_says_so_and_disposing_twice_is_harmless()
    {
        using var device = kind.Open(1);
        var buffer = device.Allocate(DType.Float32, 4);
        buffer.Dispose();
        buffer.Dispose();
        Assert.That(() => buffer.Pointer, Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => buffer.CopyFrom<float>([1]), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void A_device_outlives_its_disposal_as_long_as_a_buffer_of_it()
    {
        var device = kind.Open(1);
        var buffer = device.Allocate<float>([1, 2]);
        device.Dispose();

        Assert.That(buffer.ToArray<float>()[1], Is.EqualTo(2));
        buffer.Dispose();
        Assert.That(() => device.Info, Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Memory_is_counted_by_what_it_is_for_and_reused()
    {
        using var device = kind.Open(1);
        using (device.Allocate(DType.Float32, 1000, MemoryKind.Gradients))
            Assert.That(device.MemoryStatistics.LiveBytes(MemoryKind.Gradients), Is.InRange(4000, 8192));
        long asked = device.MemoryStatistics.SystemAllocations;
        for (int i = 0; i < 10; i++)
            device.Allocate(DType.Float32, 1000, MemoryKind.Activations).Dispose();

        var after = device.MemoryStatistics;
        Assert.That((after.SystemAllocations, after.LiveTotalBytes), Is.EqualTo((asked, 0L)));
        Assert.That(
            after.PeakBytes(MemoryKind.Activations),
            Is.EqualTo(after.PeakBytes(MemoryKind.Gradients)).And.GreaterThan(0)
        );
        Assert.That(after.PeakTotalBytes, Is.EqualTo(after.PeakBytes(MemoryKind.Gradients)));
        device.ResetPeakMemory();
        device.TrimMemory();
        Assert.That(
            (device.MemoryStatistics.PeakTotalBytes, device.MemoryStatistics.CachedBytes),
            Is.EqualTo((0L, 0L))
        );
    }

    [Test]
    public void A_steps_kinds_add_up_to_its_peak_and_what_does_not_stay_is_activations()
    {
        using var device = kind.Open(1);
        using var parameters = device.Allocate(DType.Float32, 1024, MemoryKind.Parameters);
        using var copies = device.Allocate(DType.Float16, 1024, MemoryKind.ComputeCopies);
        using var moments = device.Allocate(DType.Float32, 2048, MemoryKind.OptimizerState);
        using var gradients = device.Allocate(DType.Float16, 1024, MemoryKind.Gradients);
        using var workspace = device.Allocate(DType.UInt8, 512, MemoryKind.Workspace);
        using var batch = device.Allocate(DType.UInt8, 256);
        using (device.Allocate(DType.Float16, 4096, MemoryKind.Activations))
        using (device.Allocate(DType.Float16, 512, MemoryKind.Gradients))
            device.Allocate(DType.UInt8, 256, MemoryKind.Workspace).Dispose();

        StepMemory step = StepMemory.Of(device.MemoryStatistics);
        Assert.That(
            (step.Parameters, step.ComputeCopies, step.OptimizerState, step.Gradients),
            Is.EqualTo((4096L, 2048L, 8192L, 2048L))
        );
        Assert.That((step.Workspace, step.Other), Is.EqualTo((512L, 256L)));
        Assert.That(step.Activations, Is.EqualTo(8192 + 1024 + 256));
        Assert.That(step.Peak, Is.EqualTo(4096 + 2048 + 8192 + 2048 + 512 + 256 + 8192 + 1024 + 256));
    }

    [Test]
    public void A_buffer_that_nobody_disposed_is_given_back_all_the_same()
    {
        using var device = kind.Open(1);
        Abandon(device);
        GC.Collect();
        GC.WaitForPendingFinalizers();

        device.TrimMemory();

        Assert.That(device.MemoryStatistics.LiveTotalBytes, Is.Zero);
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static void Abandon(Device device) => device.Allocate(DType.Float32, 1000, MemoryKind.Gradients);
}
