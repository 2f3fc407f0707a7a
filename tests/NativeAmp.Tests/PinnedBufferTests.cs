namespace NativeAmp.Tests;

/// <summary>Pinned memory: what the device reads and writes on its own, when it is its turn.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class PinnedBufferTests(DeviceKind kind)
{
    [Test]
    public void Elements_go_in_and_come_out_in_the_order_of_a_stream()
    {
        using var device = kind.Open(1);
        using var stream = device.CreateStream();
        using var buffer = device.Allocate<float>([1, 2, 3, 4]);
        using var source = new PinnedBuffer<float>(device, 2);
        using var destination = new PinnedBuffer<float>(device, 4);
        using var there = new DeviceEvent(device);
        Assert.That(source.Span.ToArray(), Is.All.Zero);
        stream.WaitFor(device.Stream);

        source.Span[0] = 8;
        source.Span[1] = 9;
        buffer.EnqueueCopyFrom(source, offset: 1, stream);
        buffer.EnqueueCopyTo(destination, stream: stream);
        there.Record(stream);
        there.Synchronize();

        Assert.That(destination.Span.ToArray(), Is.EqualTo(new[] { 1f, 8, 9, 4 }));
    }

    // The emulated GPU copies as late as it may: what is changed too early is what arrives.
    [Test]
    public void A_copy_in_turn_reads_pinned_memory_late_and_any_other_copy_at_once()
    {
        using var device = kind.Open(1);
        using var late = device.Allocate<float>([0]);
        using var early = device.Allocate<float>([0]);
        using var pinned = new PinnedBuffer<float>(device, 1);

        pinned.Span[0] = 1;
        late.EnqueueCopyFrom(pinned);
        early.CopyFrom<float>(pinned.Span);
        pinned.Span[0] = 2;

        Assert.That(early.ToArray<float>(), Is.EqualTo(new[] { 1f }));
        if (device.IsHostMemory)
            Assert.That(late.ToArray<float>(), Is.EqualTo(new[] { 1f }));
        else if (EmulatedGpu.IsChosen)
            Assert.That(late.ToArray<float>(), Is.EqualTo(new[] { 2f }));
    }

    [Test]
    public void What_does_not_fit_is_refused()
    {
        using var device = kind.Open(1);
        using var other = kind.Open(1);
        using var buffer = device.Allocate<float>([1, 2]);
        using var two = new PinnedBuffer<float>(device, 2);
        using var halves = new PinnedBuffer<Half>(device, 2);
        using var foreign = new PinnedBuffer<float>(other, 2);
        var gone = new PinnedBuffer<float>(device, 1);
        gone.Dispose();

        Assert.That(() => new PinnedBuffer<float>(device, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => buffer.EnqueueCopyFrom<float>(null!), Throws.ArgumentNullException);
        Assert.That(() => buffer.EnqueueCopyFrom(two, offset: 1), Throws.ArgumentException);
        Assert.That(() => buffer.EnqueueCopyTo(two, offset: -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => buffer.EnqueueCopyTo(halves), Throws.ArgumentException.With.Message.Contains("float32"));
        Assert.That(() => buffer.EnqueueCopyFrom(foreign), Throws.ArgumentException.With.Message.Contains("device"));
        Assert.That(() => buffer.EnqueueCopyTo(gone), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(buffer.ToArray<float>(), Is.EqualTo(new[] { 1f, 2 }));
    }

    // In one piece of pinned memory, from its first byte to its last.
    [TestCase(0, 16, true)]
    [TestCase(8, 8, true)]
    [TestCase(8, 9, false)]
    [TestCase(16, 1, false)]
    [TestCase(-1, 1, false)]
    public unsafe void A_copy_in_turn_takes_pinned_memory_alone(int offset, int bytes, bool fits)
    {
        using var device = kind.Open(1);
        using var buffer = device.Allocate(DType.UInt8, 32);
        using var pinned = new PinnedBuffer<byte>(device, 16);
        var copy = () =>
            device.EnqueueCopy(
                (void*)buffer.Pointer,
                pinned.Pointer + offset,
                bytes,
                NativeAmp.Interop.NampCopyDirection.HostToDevice
            );

        if (fits)
            Assert.That(copy, Throws.Nothing);
        else
            Assert.That(copy, Throws.InstanceOf<NativeAmpArgumentException>().With.Message.Contains("pinned memory"));
    }
}
