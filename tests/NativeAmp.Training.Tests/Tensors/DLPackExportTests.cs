using System.Runtime.InteropServices;

namespace NativeAmp.Training.Tests.Tensors;

/// <summary>Tensors for other libraries, by DLPack. A consumer written from the specification looks at them.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class DLPackExportTests(DeviceKind kind)
{
    private Device _device = null!;

    private int DeviceType => kind == DeviceKind.Cpu ? 1 : 2;

    [SetUp]
    public void Open() => _device = kind.Open();

    [TearDown]
    public void Close() => _device.Dispose();

    [Test]
    public void The_struct_says_what_the_tensor_is([Values] bool legacy)
    {
        using Tensor tensor = Tensor.From<float>(_device, [1, 2, 3, 4, 5, 6], [1, 2, 3]);
        nint managed = Export(tensor, legacy);
        RawDLPack raw = RawDLPack.Read(managed, legacy);
        Assert.That(raw.Major, Is.EqualTo(legacy ? 0 : 1));
        Assert.That((raw.DeviceType, raw.DeviceId), Is.EqualTo((DeviceType, 0)));
        Assert.That(raw.Shape, Is.EqualTo(new long[] { 1, 2, 3 }));
        Assert.That(raw.Strides, Is.EqualTo(new long[] { 6, 3, 1 }));
        Assert.That((raw.Code, raw.Bits, raw.Lanes), Is.EqualTo(((byte)2, (byte)32, (ushort)1)));
        Assert.That((raw.ByteOffset, raw.Flags), Is.EqualTo((0UL, 0UL)));
        Assert.That(raw.Data, Is.EqualTo(tensor.Cell.Pointer));
        Assert.That(raw.Data % 256, Is.EqualTo((nint)0), "the specification asks for 256 bytes");
        RawDLPack.CallDeleter(managed, legacy);
    }

    [TestCase(DType.Float32, 2, 32)]
    [TestCase(DType.Float16, 2, 16)]
    [TestCase(DType.BFloat16, 4, 16)]
    [TestCase(DType.Int32, 0, 32)]
    [TestCase(DType.UInt8, 1, 8)]
    [TestCase(DType.Float8E4M3, 10, 8)]
    [TestCase(DType.Float8E5M2, 12, 8)]
    public void Every_dtype_has_its_code(DType dtype, byte code, byte bits)
    {
        using Tensor tensor = Tensor.Zeros(_device, dtype, [2]);
        nint managed = DLPack.Export(tensor);
        RawDLPack raw = RawDLPack.Read(managed, legacy: false);
        Assert.That((raw.Code, raw.Bits, raw.Lanes), Is.EqualTo((code, bits, (ushort)1)));
        DLPack.Delete(managed);
    }

    [Test]
    public void The_memory_outlives_the_tensor_until_the_consumer_is_done([Values] bool legacy)
    {
        long before = _device.MemoryStatistics.LiveTotalBytes;
        Tensor tensor = Tensor.From<float>(_device, [1, 2, 3], [3]);
        nint managed = Export(tensor, legacy);
        tensor.Dispose();
        float[] seen = new float[3];
        _device.CopyToHost(MemoryMarshal.AsBytes(seen.AsSpan()), RawDLPack.Read(managed, legacy).Data);
        Assert.That(seen, Is.EqualTo(new float[] { 1, 2, 3 }));
        Assert.That(_device.MemoryStatistics.LiveTotalBytes, Is.GreaterThan(before));
        RawDLPack.CallDeleter(managed, legacy);
        Assert.That(_device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before));
    }

    [Test]
    public void A_consumer_may_call_the_deleter_on_another_thread()
    {
        long before = _device.MemoryStatistics.LiveTotalBytes;
        nint managed;
        using (Tensor tensor = Tensor.Zeros(_device, DType.Float32, [3]))
            managed = DLPack.Export(tensor);
        var thread = new Thread(() => RawDLPack.CallDeleter(managed, legacy: false));
        thread.Start();
        thread.Join();
        Assert.That(_device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before));
    }

    [Test]
    public void A_round_trip_is_the_same_memory([Values] bool legacy)
    {
        Tensor tensor = Tensor.From<float>(_device, [1, 2, 3, 4], [2, 2]);
        nint managed = Export(tensor, legacy);
        Tensor back = legacy ? DLPack.ImportLegacy(_device, managed) : DLPack.Import(_device, managed);
        Assert.That(back.Shape, Is.EqualTo(tensor.Shape));
        back.CopyFrom<float>([5, 6, 7, 8]);
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 5, 6, 7, 8 }));
        tensor.Dispose();
        Assert.That(back.ToArray<float>(), Is.EqualTo(new float[] { 5, 6, 7, 8 }));
        back.Dispose();
        Assert.That(_device.MemoryStatistics.LiveBytes(MemoryKind.Other), Is.Zero);
    }

    [Test]
    public void Scalars_and_empty_tensors_have_their_form()
    {
        using Tensor scalar = Tensor.From<float>(_device, [3], Shape.Scalar);
        using Tensor empty = Tensor.Empty(_device, DType.Float32, [2, 0, 3]);
        nint first = DLPack.Export(scalar);
        nint second = DLPack.Export(empty);
        Assert.That(RawDLPack.Read(first, legacy: false).Shape, Is.Empty);
        RawDLPack raw = RawDLPack.Read(second, legacy: false);
        Assert.That(raw.Shape, Is.EqualTo(new long[] { 2, 0, 3 }));
        Assert.That(raw.Strides, Is.EqualTo(new long[] { 3, 3, 1 }));
        Assert.That(raw.Data, Is.EqualTo((nint)0), "the specification asks for null");
        using Tensor imported = DLPack.Import(_device, first);
        Assert.That(imported.Item(), Is.EqualTo(3));
        using Tensor none = DLPack.Import(_device, second);
        Assert.That(none.Shape, Is.EqualTo(new Shape(2, 0, 3)));
    }

    [Test]
    public void Read_only_is_a_flag()
    {
        using Tensor tensor = Tensor.Zeros(_device, DType.Float32, [1]);
        nint managed = DLPack.Export(tensor, readOnly: true);
        Assert.That(RawDLPack.Read(managed, legacy: false).Flags, Is.EqualTo(1));
        DLPack.Delete(managed);
    }

    [Test]
    public void A_graph_that_saved_the_elements_refuses_a_backward_pass_after_an_export_for_writing()
    {
        using Tensor x = Tensor.From<float>(_device, [1, 2], [2]);
        x.RequiresGrad = true;
        using Tensor loss = Ops.Mean(Ops.Gelu(x));
        nint reading = DLPack.Export(x.Detach(), readOnly: true);
        DLPack.Delete(reading);
        nint writing = DLPack.Export(x.Detach());
        DLPack.Delete(writing);
        Assert.That(() => loss.Backward(), Throws.InvalidOperationException);
    }

    [Test]
    public void Tensors_with_gradients_disposed_ones_and_null_are_refused([Values] bool legacy)
    {
        using var linear = new Linear(2, 1);
        linear.To(_device);
        Assert.That(
            () => Export(linear.Weight, legacy),
            Throws.InvalidOperationException.With.Message.Contains("Detach()")
        );
        Tensor disposed = Tensor.Zeros(_device, DType.Float32, [1]);
        disposed.Dispose();
        Assert.That(() => Export(disposed, legacy), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => Export(null!, legacy), Throws.ArgumentNullException);
    }

    [Test]
    public void A_parameter_that_is_on_no_device_is_refused()
    {
        using var linear = new Linear(2, 1);
        linear.Weight.RequiresGrad = false;
        Assert.That(() => DLPack.Export(linear.Weight), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Streams_are_numbers_of_the_specification()
    {
        using Tensor tensor = Tensor.Zeros(_device, DType.Float32, [1]);
        if (kind == DeviceKind.Cpu)
        {
            Assert.That(DLPack.StreamOf(_device), Is.Null);
            DLPack.Delete(DLPack.Export(tensor, -1));
            Assert.That(
                () => DLPack.Export(tensor, 1),
                Throws.ArgumentException.With.Message.Contains("A CPU has no streams")
            );
            return;
        }

        Assert.That(DLPack.StreamOf(_device), Is.EqualTo(_device.Stream.Handle));
        using (_device.Use(_device.BorrowStream(0)))
            Assert.That(DLPack.StreamOf(_device), Is.EqualTo((nint)1));
        Assert.That(() => DLPack.Export(tensor, 0), Throws.ArgumentException.With.Message.Contains("1 for CUDA's"));
        Assert.That(() => DLPack.Export(tensor, -2), Throws.ArgumentException);
        DLPack.Delete(DLPack.Export(tensor, -1));
        DLPack.Delete(DLPack.Export(tensor, _device.Stream.Handle));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void The_consumer_s_stream_waits_for_the_elements(bool isDefault)
    {
        if (kind == DeviceKind.Cpu)
            Assert.Ignore("A CPU has one stream.");
        // The emulated GPU does the work as late as the waits allow.
        EmulatedGpu.Require();
        using DeviceStream consumer = isDefault ? _device.BorrowStream(0) : _device.CreateStream();
        using Tensor a = Tensor.From<float>(_device, [1, 2, 3], [3]);
        using Tensor sum = Ops.Add(a, a);
        nint managed = DLPack.Export(sum, isDefault ? null : consumer.Handle);
        float[] seen = new float[3];
        _device.CopyToHost(MemoryMarshal.AsBytes(seen.AsSpan()), RawDLPack.Read(managed, legacy: false).Data, consumer);
        Assert.That(seen, Is.EqualTo(new float[] { 2, 4, 6 }));
        RawDLPack.CallDeleter(managed, legacy: false);
    }

    private static nint Export(Tensor tensor, bool legacy) =>
        legacy ? DLPack.ExportLegacy(tensor) : DLPack.Export(tensor);
}
