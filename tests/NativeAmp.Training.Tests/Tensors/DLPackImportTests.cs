using System.Runtime.InteropServices;

namespace NativeAmp.Training.Tests.Tensors;

/// <summary>Tensors of other libraries, by DLPack. A producer written from the specification makes them.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class DLPackImportTests(DeviceKind kind)
{
    private Device _device = null!;
    private nint _memory;

    private int DeviceType => kind == DeviceKind.Cpu ? 1 : 2;

    [SetUp]
    public void Open()
    {
        _device = kind.Open();
        _memory = _device.AllocateMemory(12 * sizeof(float), MemoryKind.Other);
        float[] values = [.. Enumerable.Range(0, 12).Select(i => (float)i)];
        _device.CopyToDevice(_memory, MemoryMarshal.AsBytes<float>(values));
    }

    [TearDown]
    public void Close()
    {
        _device.FreeMemory(_memory);
        _device.Dispose();
    }

    [Test]
    public void The_memory_is_the_producer_s_until_the_last_user_is_done(
        [Values] bool legacy,
        [Values] bool withStrides
    )
    {
        RawDLPack raw = Valid(legacy, [2, 3], withStrides ? [3, 1] : null, byteOffset: 4);
        Tensor tensor = Import(raw);
        Assert.That((tensor.DType, tensor.Shape), Is.EqualTo((DType.Float32, new Shape(2, 3))));
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 1, 2, 3, 4, 5, 6 }));
        tensor.CopyFrom<float>([60, 50, 40, 30, 20, 10]);
        float[] seen = new float[2];
        _device.CopyToHost(MemoryMarshal.AsBytes(seen.AsSpan()), _memory);
        Assert.That(seen, Is.EqualTo(new float[] { 0, 60 }));
        Tensor view = tensor.Detach().Keep();
        tensor.Dispose();
        Assert.That(raw.Deleted, Is.Zero);
        view.Dispose();
        Assert.That(raw.Deleted, Is.EqualTo(1));
    }

    [Test]
    public void Strides_of_single_elements_and_of_empty_tensors_do_not_matter()
    {
        using Tensor single = Import(Valid(false, [1, 2, 1], [77, 1, -5]));
        Assert.That(single.ToArray<float>(), Is.EqualTo(new float[] { 0, 1 }));
        using Tensor empty = Import(Valid(false, [0, 5], [1, 99]));
        Assert.That(empty.Shape, Is.EqualTo(new Shape(0, 5)));
    }

    [Test]
    public void A_copy_gives_the_original_back_at_once([Values] bool legacy)
    {
        RawDLPack raw = Valid(legacy, [2, 2]);
        using Tensor tensor = Import(raw, copy: true);
        Assert.That(raw.Deleted, Is.EqualTo(1));
        _device.FillMemory(_memory, 0, 16);
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 0, 1, 2, 3 }));
    }

    [Test]
    public void A_producer_without_a_deleter_keeps_its_memory()
    {
        RawDLPack raw = Raw(false, hasDeleter: false);
        nint managed = raw.Produce();
        using (Tensor tensor = DLPack.Import(_device, managed))
            Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 0, 1 }));
        DLPack.Delete(managed);
        Assert.That(raw.Deleted, Is.Zero);
    }

    [Test]
    public void The_deleter_comes_after_the_work_with_the_memory()
    {
        using var done = new DeviceEvent(_device);
        bool wasDone = false;
        var raw = new RawDLPack(legacy: false)
        {
            DeviceType = DeviceType,
            Data = _memory,
            Shape = [12],
            OnDelete = () => wasDone = done.IsReached,
        };
        Tensor tensor = Import(raw);
        using Tensor sum = Ops.Add(tensor, tensor);
        done.Record();
        tensor.Dispose();
        Assert.That(wasDone);
    }

    [Test]
    public void Other_orders_and_gaps_are_copied_on_the_CPU()
    {
        if (kind != DeviceKind.Cpu)
        {
            Refused(Valid(false, [3, 4], [1, 3]), "[1, 3]", copy: true);
            return;
        }

        Check([3, 4], [1, 3], 0, [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]); // a transpose
        Check([2, 2], [8, 2], 0, [0, 2, 8, 10]); // gaps
        Check([3], [-2], 16, [4, 2, 0]); // backwards
        Check([2, 3], [0, 1], 0, [0, 1, 2, 0, 1, 2]); // one row for all
        Check([2, 2, 2], [1, 6, 3], 4, [1, 4, 7, 10, 2, 5, 8, 11]);

        void Check(long[] shape, long[] strides, ulong byteOffset, float[] expected)
        {
            RawDLPack raw = Valid(false, shape, strides, byteOffset);
            Refused(raw, "make it contiguous first");
            using Tensor tensor = Import(raw, copy: true);
            Assert.That(tensor.ToArray<float>(), Is.EqualTo(expected));
            Assert.That(raw.Deleted, Is.EqualTo(2), "the refused one and the copied one");
        }
    }

    [Test]
    public void Elements_of_one_and_two_bytes_are_gathered_too()
    {
        if (kind != DeviceKind.Cpu)
            Assert.Ignore("A GPU gathers nothing.");
        byte[] bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        _device.CopyToDevice(_memory, bytes);
        using Tensor b = Import(Typed(1, 8, [2, 2], [1, 2]), copy: true);
        using Tensor h = Import(Typed(4, 16, [2, 2], [1, 2]), copy: true);
        Assert.That(b.ToArray<byte>(), Is.EqualTo(new byte[] { 1, 3, 2, 4 }));
        Assert.That(
            MemoryMarshal.AsBytes<BFloat16>(h.ToArray<BFloat16>()).ToArray(),
            Is.EqualTo(new byte[] { 1, 2, 5, 6, 3, 4, 7, 8 })
        );
    }

    [Test]
    public void A_read_only_tensor_is_copied_or_refused()
    {
        var raw = new RawDLPack(legacy: false)
        {
            DeviceType = DeviceType,
            Data = _memory,
            Shape = [2],
            Flags = 1,
        };
        Refused(raw, "read-only");
        using Tensor tensor = Import(raw, copy: true);
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 0, 1 }));
    }

    [TestCase(2, 32, DType.Float32)]
    [TestCase(2, 16, DType.Float16)]
    [TestCase(4, 16, DType.BFloat16)]
    [TestCase(0, 32, DType.Int32)]
    [TestCase(1, 8, DType.UInt8)]
    [TestCase(10, 8, DType.Float8E4M3)]
    [TestCase(12, 8, DType.Float8E5M2)]
    public void Every_code_has_its_dtype(byte code, byte bits, DType dtype)
    {
        using Tensor tensor = Import(Typed(code, bits, [2], null));
        Assert.That(tensor.DType, Is.EqualTo(dtype));
    }

    [TestCase(2, 64, 1, "float64")]
    [TestCase(0, 64, 1, "int64")]
    [TestCase(0, 8, 1, "int8")]
    [TestCase(6, 8, 1, "bool8")]
    [TestCase(5, 64, 1, "complex64")]
    [TestCase(8, 8, 1, "float8_e4m3;")]
    [TestCase(17, 4, 1, "float4_e2m1fn")]
    [TestCase(2, 32, 4, "float32 in vectors of 4")]
    [TestCase(2, 32, 0, "float32 in vectors of 0")]
    [TestCase(99, 32, 1, "type 99")]
    public void Other_types_are_refused_by_name(byte code, byte bits, int lanes, string name) =>
        Refused(Typed(code, bits, [2], null, (ushort)lanes), name);

    [Test]
    public void Other_devices_are_refused_by_name()
    {
        Refused(OnDevice(10, 0), "ROCm 0");
        Refused(OnDevice(8, 0), "Metal 0");
        Refused(OnDevice(77, 3), "a device of type 77 3");
        Refused(OnDevice(2, 9), "CUDA 9");
        Refused(kind == DeviceKind.Cpu ? OnDevice(2, 0) : OnDevice(1, 0), kind == DeviceKind.Cpu ? "CUDA 0" : "CPU 0");
    }

    [Test]
    public void Pinned_and_managed_memory_of_CUDA_are_taken()
    {
        using Tensor tensor = Import(OnDevice(kind == DeviceKind.Cpu ? 3 : 13, 0));
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 0, 1 }));
    }

    [Test]
    public void Another_major_version_is_refused_and_can_be_given_back()
    {
        var raw = new RawDLPack(legacy: false) { Major = 2, Dimensions = -1 };
        nint managed = raw.Produce();
        Assert.That(
            () => DLPack.Import(_device, managed),
            Throws.ArgumentException.With.Message.Contains("DLPack 2.1; this library reads 1.x")
        );
        Assert.That(raw.Deleted, Is.Zero);
        DLPack.Delete(managed);
        Assert.That(raw.Deleted, Is.EqualTo(1));
    }

    [Test]
    public void Invalid_tensors_are_refused([Values] bool legacy, [Values] bool copy)
    {
        const long Huge = long.MaxValue;
        void Wrong(string reason, nint data, int? rank, long[]? shape, long[]? strides = null, ulong offset = 0) =>
            Refused(
                new RawDLPack(legacy)
                {
                    DeviceType = DeviceType,
                    Data = data,
                    Dimensions = rank,
                    Shape = shape,
                    Strides = strides,
                    ByteOffset = offset,
                },
                reason,
                copy
            );

        Wrong("-1 dimensions", _memory, -1, null);
        Wrong("65 dimensions", _memory, 65, [.. Enumerable.Repeat(1L, 65)]);
        Wrong("2147483647 dimensions", _memory, int.MaxValue, [1]);
        Wrong("sizes is null", _memory, 2, null);
        Wrong("cannot be negative", _memory, null, [2, -1]);
        Wrong("63 bits", _memory, null, [Huge, 3]);
        Wrong("address space", _memory, null, [Huge]);
        Wrong("elements is null", 0, null, [1]);
        Wrong("multiple of 4", _memory, null, [1], offset: 2);
        Wrong("address space", _memory, null, [1], offset: ulong.MaxValue);
        Wrong("address space", _memory, null, [Huge], [1]);
        if (kind == DeviceKind.Cpu)
        {
            string reason = copy ? "address space" : "contiguous";
            Wrong(reason, _memory, null, [2, 2], [Huge, Huge]);
            Wrong(reason, _memory, null, [2], [long.MinValue]);
            Wrong(reason, _memory, null, [1L << 31, 1L << 31], [Huge, Huge]);
        }
    }

    [Test]
    public void Null_is_refused()
    {
        Assert.That(() => DLPack.Import(_device, 0), Throws.ArgumentException);
        Assert.That(() => DLPack.ImportLegacy(_device, 0), Throws.ArgumentException);
        Assert.That(() => DLPack.Delete(0), Throws.ArgumentException);
        Assert.That(() => DLPack.DeleteLegacy(0), Throws.ArgumentException);
        Assert.That(() => DLPack.StreamOf(null!), Throws.ArgumentNullException);
        RawDLPack raw = Valid(false, [1]);
        nint managed = raw.Produce();
        Assert.That(() => DLPack.Import(null!, managed), Throws.ArgumentNullException);
        DLPack.Delete(managed);
        Assert.That(raw.Deleted, Is.EqualTo(1));
    }

    private RawDLPack Raw(bool legacy, bool hasDeleter) =>
        new(legacy)
        {
            DeviceType = DeviceType,
            Data = _memory,
            Shape = [2],
            HasDeleter = hasDeleter,
        };

    private RawDLPack Valid(bool legacy, long[] shape, long[]? strides = null, ulong byteOffset = 0) =>
        new(legacy)
        {
            DeviceType = DeviceType,
            Data = _memory,
            Shape = shape,
            Strides = strides,
            ByteOffset = byteOffset,
        };

    private RawDLPack Typed(byte code, byte bits, long[] shape, long[]? strides, ushort lanes = 1) =>
        new(legacy: false)
        {
            DeviceType = DeviceType,
            Data = _memory,
            Code = code,
            Bits = bits,
            Lanes = lanes,
            Shape = shape,
            Strides = strides,
        };

    private RawDLPack OnDevice(int type, int id) =>
        new(legacy: false)
        {
            DeviceType = type,
            DeviceId = id,
            Data = _memory,
            Shape = [2],
        };

    private Tensor Import(RawDLPack raw, bool copy = false)
    {
        nint managed = raw.Produce();
        return raw.Legacy ? DLPack.ImportLegacy(_device, managed, copy) : DLPack.Import(_device, managed, copy);
    }

    // Refused, with this reason; and still the caller's.
    private void Refused(RawDLPack raw, string reason, bool copy = false)
    {
        int before = raw.Deleted;
        nint managed = raw.Produce();
        Assert.That(
            () => raw.Legacy ? DLPack.ImportLegacy(_device, managed, copy) : DLPack.Import(_device, managed, copy),
            Throws.ArgumentException.With.Message.Contains(reason)
        );
        Assert.That(raw.Deleted, Is.EqualTo(before));
        RawDLPack.CallDeleter(managed, raw.Legacy);
        Assert.That(raw.Deleted, Is.EqualTo(before + 1));
    }
}
