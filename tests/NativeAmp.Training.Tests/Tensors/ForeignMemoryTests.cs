using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NativeAmp.Training.Tests.Tensors;

/// <summary>Tensors over memory that belongs to somebody else.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class ForeignMemoryTests(DeviceKind kind)
{
    private Device _device = null!;
    private nint _memory;
    private int _released;

    [SetUp]
    public void Open()
    {
        _device = kind.Open();
        // The device's own allocator plays the other library: its pointers are of the right kind.
        _memory = _device.AllocateMemory(4 * sizeof(float), MemoryKind.Other);
        _device.CopyToDevice(_memory, MemoryMarshal.AsBytes<float>([1, 2, 3, 4]));
        _released = 0;
    }

    [TearDown]
    public void Close()
    {
        _device.FreeMemory(_memory);
        _device.Dispose();
    }

    [Test]
    public void A_pointer_becomes_a_tensor_without_a_copy()
    {
        using Tensor tensor = Tensor.FromBlob(_device, _memory, DType.Float32, [2, 2]);
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 1, 2, 3, 4 }));
        _device.CopyToDevice(_memory, MemoryMarshal.AsBytes<float>([5]));
        Assert.That(tensor.ToArray<float>()[0], Is.EqualTo(5));
        tensor.CopyFrom<float>([6, 7, 8, 9]);
        float[] written = new float[4];
        _device.CopyToHost(MemoryMarshal.AsBytes(written.AsSpan()), _memory);
        Assert.That(written, Is.EqualTo(new float[] { 6, 7, 8, 9 }));
        Assert.That(tensor.Cell.Pointer, Is.EqualTo(_memory));
    }

    [Test]
    public void Gradients_flow_to_foreign_memory()
    {
        using Tensor tensor = Tensor.FromBlob(_device, _memory, DType.Float32, [4]);
        tensor.RequiresGrad = true;
        using Tensor loss = Ops.Mean(tensor * 3);
        loss.Backward();
        Assert.That(tensor.Gradient!.ToArray<float>(), Is.All.EqualTo(0.75f));
    }

    [Test]
    public void It_counts_as_no_memory_of_the_device()
    {
        long before = _device.MemoryStatistics.LiveTotalBytes;
        using Tensor tensor = Tensor.FromBlob(_device, _memory, DType.Float32, [4]);
        Assert.That(_device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before));
        tensor.Dispose();
        Assert.That(_device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before));
    }

    [Test]
    public void The_deleter_is_called_once_after_the_last_user()
    {
        Tensor tensor = Tensor.FromBlob(_device, _memory, DType.Float32, [4], () => _released++);
        Tensor view = tensor.Reshape(2, 2).Keep();
        tensor.Dispose();
        tensor.Dispose();
        Assert.That(_released, Is.Zero, "a view uses it");
        Assert.That(view.ToArray<float>(), Is.EqualTo(new float[] { 1, 2, 3, 4 }));
        view.Dispose();
        Assert.That(_released, Is.EqualTo(1));
    }

    [Test]
    public void The_deleter_comes_after_the_work_of_every_stream_that_used_the_memory()
    {
        using DeviceStream other = _device.CreateStream();
        using var done = new DeviceEvent(_device);
        bool wasDone = false;
        Tensor tensor = Tensor.FromBlob(_device, _memory, DType.Float32, [4], () => wasDone = done.IsReached);
        using (_device.Use(other))
        {
            using Tensor twice = Ops.Add(tensor, tensor);
            done.Record();
        }

        tensor.Dispose();
        Assert.That(wasDone);
    }

    [TestCase(true, TestName = "The deleter comes after the work of a stream that was destroyed")]
    [TestCase(false, TestName = "The deleter comes after the work of a borrowed stream that was disposed")]
    public void The_deleter_comes_after_the_work_of_a_disposed_stream(bool isOwn)
    {
        using DeviceStream owner = _device.CreateStream();
        DeviceStream other = isOwn ? _device.CreateStream() : _device.BorrowStream(owner.Handle);
        using var done = new DeviceEvent(_device);
        bool wasDone = false;
        Tensor tensor = Tensor.FromBlob(_device, _memory, DType.Float32, [4], () => wasDone = done.IsReached);
        using (_device.Use(other))
        {
            using Tensor twice = Ops.Add(tensor, tensor);
            done.Record();
        }

        other.Dispose();
        tensor.Dispose();
        Assert.That(wasDone);
    }

    [Test]
    public void The_deleter_of_a_tensor_that_nobody_disposed_runs_within_a_later_call()
    {
        Abandon();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.That(_released, Is.Zero, "not on the finalizer's thread");
        using Tensor another = Tensor.Empty(_device, DType.Float32, [1]);
        Assert.That(_released, Is.EqualTo(1));
    }

    [Test]
    public void An_owner_lives_as_long_as_the_tensor()
    {
        (Tensor tensor, WeakReference owner) = WithOwner();
        GC.Collect();
        Assert.That(owner.IsAlive);
        tensor.Dispose();
        GC.KeepAlive(tensor);
    }

    [Test]
    public void A_wrong_pointer_is_refused_and_its_deleter_not_called()
    {
        void Refused(nint pointer, DType dtype, Shape shape, string reason) =>
            Assert.That(
                () => Tensor.FromBlob(_device, pointer, dtype, shape, () => _released++),
                Throws.InstanceOf<ArgumentException>().With.Message.Contains(reason)
            );

        Refused(0, DType.Float32, [1], "is null");
        Refused(_memory + 2, DType.Float32, [1], "must be a multiple of 4 bytes");
        Refused(_memory + 1, DType.Float16, [1], "must be a multiple of 2 bytes");
        Refused(_memory, DType.Float32, [long.MaxValue / 2], "beyond the end of the address space");
        Refused(-4, DType.Float32, [2], "beyond the end of the address space");
        Refused(_memory, DType.None, [1], "no element type");
        Assert.That(() => Tensor.FromBlob(null!, _memory, DType.Float32, [1]), Throws.ArgumentNullException);
        Assert.That(_released, Is.Zero);
    }

    [Test]
    public void No_elements_need_no_pointer_and_their_deleter_is_called()
    {
        using (Tensor empty = Tensor.FromBlob(_device, 0, DType.Float32, [0, 3], () => _released++))
            Assert.That(empty.ToArray<float>(), Is.Empty);
        Assert.That(_released, Is.EqualTo(1));
    }

    [Test]
    public void A_deleter_that_throws_leaves_the_device_usable()
    {
        Tensor tensor = Tensor.FromBlob(_device, _memory, DType.Float32, [4], () => throw new IOException("gone"));
        Assert.That(tensor.Dispose, Throws.InstanceOf<IOException>());
        Assert.That(tensor.Dispose, Throws.Nothing);
        using Tensor other = Tensor.Zeros(_device, DType.Float32, [1]);
        Assert.That(other.Item(), Is.Zero);
    }

    [Test]
    public void A_closed_device_borrows_nothing()
    {
        Device closed = kind.Open();
        closed.Dispose();
        Assert.That(
            () => closed.BorrowMemory(_memory, DType.Float32, 4, () => _released++),
            Throws.InstanceOf<ObjectDisposedException>()
        );
        Assert.That(_released, Is.Zero);
    }

    [Test]
    public void Managed_memory_is_pinned_for_the_life_of_the_tensor_on_a_CPU()
    {
        var memory = new CountingMemory([1, 2, 3, 4, 5, 6]);
        if (kind != DeviceKind.Cpu)
        {
            Assert.That(
                () => Tensor.FromMemory(_device, memory.Memory, [6]),
                Throws.ArgumentException.With.Message.Contains("Tensor.From")
            );
            Assert.That(memory.Pins, Is.Zero);
            return;
        }

        Tensor tensor = Tensor.FromMemory(_device, memory.Memory[2..], [2, 2]);
        Assert.That(memory.Pins, Is.EqualTo(1));
        tensor.AsSpan<float>()[3] = 60;
        Assert.That(memory.Elements, Is.EqualTo(new float[] { 1, 2, 3, 4, 5, 60 }));
        Assert.That(
            () => Tensor.FromMemory(_device, memory.Memory, [7]),
            Throws.ArgumentException.With.Message.Contains("[7] has 7 elements, but 6")
        );
        Assert.That(
            () => Tensor.FromMemory(_device, new double[1].AsMemory(), [1]),
            Throws.ArgumentException.With.Message.Contains("System.Double")
        );
        tensor.Dispose();
        Assert.That(memory.Pins, Is.Zero);
    }

    [TestCase(1)]
    [TestCase(1000)]
    public void An_array_stays_in_its_place_while_the_garbage_collector_moves_others(int count)
    {
        if (kind != DeviceKind.Cpu)
            Assert.Ignore("Managed memory is for a CPU device.");
        float[] array = new float[count];
        using Tensor tensor = Tensor.FromMemory<float>(_device, array, [count]);
        GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
        tensor.AsSpan<float>().Fill(7);
        Assert.That(array, Is.All.EqualTo(7));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Abandon() => Tensor.FromBlob(_device, _memory, DType.Float32, [4], () => _released++);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private (Tensor Tensor, WeakReference Owner) WithOwner()
    {
        object owner = new();
        Tensor tensor = Tensor.FromBlob(_device, _memory, DType.Float32, [4], () => GC.KeepAlive(owner));
        return (tensor, new WeakReference(owner));
    }

    private sealed unsafe class CountingMemory(float[] elements) : MemoryManager<float>
    {
        private GCHandle _handle;

        public int Pins { get; private set; }

        public float[] Elements => elements;

        public override Span<float> GetSpan() => elements;

        public override System.Buffers.MemoryHandle Pin(int elementIndex = 0)
        {
            Pins++;
            _handle = GCHandle.Alloc(elements, GCHandleType.Pinned);
            return new System.Buffers.MemoryHandle((float*)_handle.AddrOfPinnedObject() + elementIndex, default, this);
        }

        public override void Unpin()
        {
            Pins--;
            _handle.Free();
        }

        protected override void Dispose(bool disposing) { }
    }
}
