using System.Runtime.InteropServices;
using NativeAmp.Training;
using TorchSharp;
using ScalarType = TorchSharp.torch.ScalarType;

namespace NativeAmp.TorchSharp.Tests.Interop;

/// <summary>
/// DLPack between NativeAmp's tensors and libtorch: the oracle is its own <c>at::toDLPack</c> and
/// <c>at::fromDLPack</c>, which TorchSharp does not show. They are called by their mangled names.
/// </summary>
internal sealed unsafe class DLPackTests
{
    private readonly nint _toVersioned = Linux("_ZN2at17toDLPackVersionedERKNS_6TensorE");
    private readonly nint _toLegacy = Linux("_ZN2at8toDLPackERKNS_6TensorE");
    private readonly nint _fromVersioned = Linux(
        "_ZN2at19fromDLPackVersionedEP24DLManagedTensorVersionedSt8functionIFvPvEE"
    );
    private readonly nint _fromLegacy = Linux("_ZN2at10fromDLPackEP15DLManagedTensorSt8functionIFvPvEE");

    private Device _device = null!;

    [SetUp]
    public void Open() => _device = Device.Cpu(1);

    [TearDown]
    public void Close() => _device.Dispose();

    private static readonly (ScalarType Torch, DType Own)[] s_types =
    [
        (ScalarType.Float32, DType.Float32),
        (ScalarType.Float16, DType.Float16),
        (ScalarType.BFloat16, DType.BFloat16),
        (ScalarType.Int32, DType.Int32),
        (ScalarType.Byte, DType.UInt8),
    ];

    [Test]
    public void A_tensor_of_libtorch_is_read_and_written_in_place([Values] bool legacy)
    {
        foreach ((ScalarType type, DType dtype) in s_types)
        {
            using torch.Tensor source = torch.arange(6, ScalarType.Float32).to_type(type).reshape(2, 3);
            using Tensor taken = Import(ToDLPack(source, legacy), legacy);
            Assert.That((taken.DType, taken.Shape), Is.EqualTo((dtype, new Shape(2, 3))));
            Assert.That(Bytes(taken), Is.EqualTo(source.bytes.ToArray()));
            source.add_(1);
            Assert.That(Bytes(taken), Is.EqualTo(source.bytes.ToArray()));
        }
    }

    [Test]
    public void The_memory_outlives_libtorch_s_tensor([Values] bool legacy)
    {
        torch.Tensor source = torch.arange(6, ScalarType.Float32);
        using Tensor taken = Import(ToDLPack(source, legacy), legacy);
        source.Dispose();
        Assert.That(taken.ToArray<float>(), Is.EqualTo(new float[] { 0, 1, 2, 3, 4, 5 }));
    }

    [Test]
    public void A_transpose_of_libtorch_is_copied_and_not_taken()
    {
        using torch.Tensor source = torch.arange(6, ScalarType.Float32).reshape(2, 3).t();
        nint managed = ToDLPack(source, legacy: false);
        Assert.That(
            () => DLPack.Import(_device, managed),
            Throws.ArgumentException.With.Message.Contains("make it contiguous")
        );
        using Tensor copy = DLPack.Import(_device, managed, copy: true);
        using torch.Tensor dense = source.contiguous();
        Assert.That(Bytes(copy), Is.EqualTo(dense.bytes.ToArray()));
    }

    [Test]
    public void Types_that_only_libtorch_has_are_refused()
    {
        foreach (
            (ScalarType type, string name) in new[] { (ScalarType.Float64, "float64"), (ScalarType.Int64, "int64") }
        )
        {
            using torch.Tensor source = torch.zeros(2, type);
            nint managed = ToDLPack(source, legacy: false);
            Assert.That(() => DLPack.Import(_device, managed), Throws.ArgumentException.With.Message.Contains(name));
            DLPack.Delete(managed);
        }
    }

    [Test]
    public void Libtorch_takes_a_tensor_in_place_and_gives_it_back([Values] bool legacy)
    {
        long before = _device.MemoryStatistics.LiveTotalBytes;
        foreach ((ScalarType type, DType dtype) in s_types)
        {
            Tensor own = Tensor.Zeros(_device, dtype, [2, 3]);
            torch.Tensor taken = FromDLPack(legacy ? DLPack.ExportLegacy(own) : DLPack.Export(own), legacy);
            Assert.That((taken.dtype, taken.shape), Is.EqualTo((type, new long[] { 2, 3 })));
            Assert.That(taken.stride(), Is.EqualTo(new long[] { 3, 1 }));
            taken.add_(3);
            Assert.That(Bytes(own), Is.EqualTo(taken.bytes.ToArray()));
            own.Dispose();
            Assert.That(_device.MemoryStatistics.LiveTotalBytes, Is.GreaterThan(before), "libtorch has it");
            Assert.That(taken.sum().to_type(ScalarType.Float32).item<float>(), Is.EqualTo(18));
            taken.Dispose();
            Assert.That(_device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before), "libtorch called the deleter");
        }
    }

    [Test]
    public void Scalars_and_empty_tensors_go_both_ways()
    {
        using Tensor scalar = Tensor.From<float>(_device, [3], Shape.Scalar);
        using torch.Tensor taken = FromDLPack(DLPack.Export(scalar), legacy: false);
        Assert.That((taken.Dimensions, taken.item<float>()), Is.EqualTo((0, 3f)));
        using Tensor empty = Tensor.Zeros(_device, DType.Float32, [2, 0, 3]);
        using torch.Tensor none = FromDLPack(DLPack.Export(empty), legacy: false);
        Assert.That(none.shape, Is.EqualTo(new long[] { 2, 0, 3 }));
        using Tensor back = Import(ToDLPack(none, legacy: false), legacy: false);
        Assert.That(back.Shape, Is.EqualTo(new Shape(2, 0, 3)));
    }

    private static nint Linux(string name) => TorchExports.OfLibTorch(name, microsoft: "");

    private static byte[] Bytes(Tensor tensor)
    {
        var cell = tensor.Cell;
        return new Span<byte>((void*)cell.Pointer, checked((int)(tensor.Count * cell.DType.SizeInBytes()))).ToArray();
    }

    private nint ToDLPack(torch.Tensor tensor, bool legacy)
    {
        nint managed = ((delegate* unmanaged[Cdecl]<nint, nint>)(legacy ? _toLegacy : _toVersioned))(tensor.Handle);
        GC.KeepAlive(tensor);
        return managed;
    }

    private Tensor Import(nint managed, bool legacy) =>
        legacy ? DLPack.ImportLegacy(_device, managed) : DLPack.Import(_device, managed);

    // An at::Tensor is one pointer. A function that returns one gets its place as a hidden first argument, and the
    // std::function, an empty one of 32 zero bytes, by its address: both have constructors.
    private torch.Tensor FromDLPack(nint managed, bool legacy)
    {
        // TorchSharp's handle is such a place on C++'s heap, which is malloc's on Linux; disposing it deletes it.
        var place = (nint*)NativeMemory.AllocZeroed((nuint)sizeof(nint));
        byte* noDeleter = stackalloc byte[32];
        new Span<byte>(noDeleter, 32).Clear();
        ((delegate* unmanaged[Cdecl]<nint*, nint, byte*, nint*>)(legacy ? _fromLegacy : _fromVersioned))(
            place,
            managed,
            noDeleter
        );
        return torch.Tensor.UnsafeCreateTensor((nint)place);
    }
}
