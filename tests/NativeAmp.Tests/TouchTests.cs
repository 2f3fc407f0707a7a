using NativeAmp.Instruments;

namespace NativeAmp.Tests;

/// <summary>The limit that kernels are compared with, and its timing.</summary>
public sealed class TouchTests
{
    [Test]
    public void Touching_reads_writes_and_complements_what_it_is_told_to()
    {
        using var device = Device.Cpu(2);
        float[] read = [1, 2, 3],
            both = [-4, 5.5f, 0];
        using var a = device.Allocate<float>(read);
        using var b = device.Allocate<float>(both);
        using var c = device.Allocate<Half>([(Half)7, (Half)8, (Half)9]);
        using var checksum = device.Allocate<int>([0]);
        using var table = TensorTable.Create(device, [3L], [a.ToCell()], [b.ToCell()], [c.ToCell()]);

        MemoryTouch.Run(table, [ColumnAccess.Read, ColumnAccess.ReadWrite, ColumnAccess.Write], checksum.Pointer);

        Assert.That(a.ToArray<float>(), Is.EqualTo(read));
        Assert.That(Bits(b.ToArray<float>()), Is.EqualTo(Bits(both).Select(bits => ~bits)));
        Assert.That(c.ToArray<Half>(), Is.All.EqualTo(Half.Zero));
        Assert.That(
            checksum.ToArray<int>()[0],
            Is.EqualTo(Bits(read).Concat(Bits(both)).Aggregate(0, (x, y) => x ^ y))
        );

        MemoryTouch.Run(table, [ColumnAccess.None, ColumnAccess.ReadWrite, ColumnAccess.None]);
        Assert.That(b.ToArray<float>(), Is.EqualTo(both));
    }

    [Test]
    public void An_access_that_is_missing_or_unknown_is_refused()
    {
        using var device = Device.Cpu(1);
        using var a = device.Allocate<float>([1, 2]);
        using var table = TensorTable.Create(device, [2L], [a.ToCell()]);
        Assert.That(() => MemoryTouch.Run(table, []), Throws.ArgumentException.With.Message.Contains("1 columns"));
        Assert.That(
            () => MemoryTouch.Run(table, [(ColumnAccess)9]),
            Throws.InstanceOf<NativeAmpArgumentException>().With.Message.Contains("accesses[0]")
        );
        Assert.That(a.ToArray<float>(), Is.EqualTo(new[] { 1f, 2 }));
    }

    [Test]
    public void Events_time_what_lies_between_them()
    {
        using var device = Device.Cpu(1);
        using var from = new DeviceEvent(device);
        using var to = new DeviceEvent(device);
        from.Record();
        Assert.That(
            () => to.SecondsSince(from),
            Throws.InstanceOf<NativeAmpArgumentException>().With.Message.Contains("not recorded")
        );
        Thread.Sleep(10);
        to.Record();
        Assert.That(to.SecondsSince(from), Is.GreaterThanOrEqualTo(0.01));
    }

    [Test]
    public void An_event_that_nobody_disposed_does_not_keep_its_device_open()
    {
        var device = Device.Cpu(1);
        Forget(device);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using (device.Allocate(DType.Float32, 1))
            Assert.That(device.Handle.IsClosed, Is.False);
        device.Dispose();
        Assert.That(device.Handle.IsClosed, Is.True);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static void Forget(Device device) => _ = new DeviceEvent(device);
    }

    private static int[] Bits(float[] floats) => Array.ConvertAll(floats, BitConverter.SingleToInt32Bits);
}
