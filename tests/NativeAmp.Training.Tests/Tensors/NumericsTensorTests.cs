using System.Numerics.Tensors;
using Numerics = System.Numerics.Tensors.Tensor;

namespace NativeAmp.Training.Tests.Tensors;

/// <summary>Tensors of System.Numerics.Tensors in and out.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class NumericsTensorTests(DeviceKind kind)
{
    private Device _device = null!;

    [SetUp]
    public void Open() => _device = kind.Open();

    [TearDown]
    public void Close() => _device.Dispose();

    [Test]
    public void Elements_of_any_strides_are_copied_in()
    {
        float[] memory = [.. Enumerable.Range(0, 12).Select(i => (float)i)];
        // The transpose of [4, 3], every other row of [4, 3], and one row for all.
        var transposed = new ReadOnlyTensorSpan<float>(memory, [3, 4], [1, 3]);
        var everyOther = new TensorSpan<float>(memory, [2, 3], [6, 1]);
        var broadcast = new ReadOnlyTensorSpan<float>(memory, [2, 3], [0, 1]);
        using Tensor a = transposed.ToTensor(_device);
        using Tensor b = everyOther.ToTensor(_device);
        using Tensor c = broadcast.ToTensor(_device);
        Assert.That(a.Shape, Is.EqualTo(new Shape(3, 4)));
        Assert.That(a.ToArray<float>(), Is.EqualTo(new float[] { 0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11 }));
        Assert.That(b.ToArray<float>(), Is.EqualTo(new float[] { 0, 1, 2, 6, 7, 8 }));
        Assert.That(c.ToArray<float>(), Is.EqualTo(new float[] { 0, 1, 2, 0, 1, 2 }));
    }

    [Test]
    public void Every_element_type_goes_both_ways()
    {
        Check<float>([1, 2, 3, 4, 5, 6], DType.Float32);
        Check<Half>([.. Enumerable.Range(1, 6).Select(i => (Half)i)], DType.Float16);
        Check<BFloat16>([.. Enumerable.Range(1, 6).Select(i => (BFloat16)(float)i)], DType.BFloat16);
        Check<int>([1, 2, 3, 4, 5, 6], DType.Int32);
        Check<byte>([1, 2, 3, 4, 5, 6], DType.UInt8);

        void Check<T>(T[] values, DType dtype)
            where T : unmanaged
        {
            Tensor<T> source = Numerics.Create(values, [2, 3]);
            using Tensor tensor = source.ToTensor(_device);
            Assert.That((tensor.DType, tensor.Shape), Is.EqualTo((dtype, new Shape(2, 3))));
            Tensor<T> back = tensor.ToNumericsTensor<T>();
            Assert.That(back.Lengths.ToArray(), Is.EqualTo(new nint[] { 2, 3 }));
            T[] elements = new T[6];
            back.FlattenTo(elements);
            Assert.That(elements, Is.EqualTo(values));
        }
    }

    [Test]
    public void A_tensor_is_overwritten_and_read_by_spans_of_its_shape()
    {
        using Tensor tensor = Tensor.Zeros(_device, DType.Float32, [2, 2]);
        float[] memory = [1, 2, 3, 4];
        tensor.CopyFrom(new ReadOnlyTensorSpan<float>(memory, [2, 2], [1, 2]));
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 1, 3, 2, 4 }));
        float[] other = new float[8];
        tensor.CopyTo(new TensorSpan<float>(other, [2, 2], [4, 2]));
        Assert.That(other, Is.EqualTo(new float[] { 1, 0, 3, 0, 2, 0, 4, 0 }));
        Assert.That(
            () => tensor.CopyFrom(new ReadOnlyTensorSpan<float>(memory, [4])),
            Throws.ArgumentException.With.Message.Contains("[2, 2], the other one [4]")
        );
        Assert.That(
            () => tensor.CopyFrom(new ReadOnlyTensorSpan<int>([1, 2, 3, 4], [2, 2])),
            Throws.ArgumentException.With.Message.Contains("Int32")
        );
    }

    [Test]
    public void Codes_of_FP8_are_bytes()
    {
        using Tensor tensor = Tensor.Empty(_device, DType.Float8E5M2, [2]);
        tensor.CopyFrom(new ReadOnlyTensorSpan<byte>([0x3C, 0x40]));
        byte[] codes = new byte[2];
        tensor.ToNumericsTensor<byte>().FlattenTo(codes);
        Assert.That(codes, Is.EqualTo(new byte[] { 0x3C, 0x40 }));
    }

    [Test]
    public void A_scalar_is_one_element_there_and_no_elements_stay_none()
    {
        using Tensor scalar = Tensor.From<float>(_device, [3], Shape.Scalar);
        Assert.That(scalar.ToNumericsTensor<float>().Lengths.ToArray(), Is.EqualTo(new nint[] { 1 }));
        using Tensor none = ReadOnlyTensorSpan<float>.Empty.ToTensor(_device);
        Assert.That(none.Shape, Is.EqualTo(new Shape(0)));
        using Tensor wide = Tensor.Empty(_device, DType.Float32, [0, 3]);
        Assert.That(wide.ToNumericsTensor<float>().FlattenedLength, Is.EqualTo((nint)0));
    }

    [Test]
    public void A_span_over_the_memory_needs_no_copy_on_the_CPU_and_is_refused_on_a_GPU()
    {
        using Tensor tensor = Tensor.From<float>(_device, [1, 2, 3, 4], [2, 2]);
        if (kind != DeviceKind.Cpu)
        {
            Assert.That(() => tensor.AsTensorSpan<float>().Rank, Throws.InvalidOperationException);
            Assert.That(() => tensor.AsReadOnlyTensorSpan<float>().Rank, Throws.InvalidOperationException);
            return;
        }

        tensor.AsTensorSpan<float>()[1, 0] = 30;
        Assert.That(tensor.AsReadOnlyTensorSpan<float>()[1, 0], Is.EqualTo(30));
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 1, 2, 30, 4 }));
    }

    [Test]
    public void Other_types_nulls_and_disposed_tensors_are_refused()
    {
        Tensor tensor = Tensor.Zeros(_device, DType.Float32, [1]);
        tensor.Dispose();
        Assert.That(() => tensor.ToNumericsTensor<float>(), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => tensor.AsTensorSpan<float>().Rank, Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(
            () => Numerics.Create<double>([1]).ToTensor(_device),
            Throws.ArgumentException.With.Message.Contains("System.Double")
        );
        Assert.That(() => ((Tensor<float>)null!).ToTensor(_device), Throws.ArgumentNullException);
        Assert.That(() => Numerics.Create<float>([1]).ToTensor(null!), Throws.ArgumentNullException);
    }
}
