namespace NativeAmp.Tests;

public sealed class DTypeTests
{
    [TestCase(DType.Float32, 4, "float32", "fp32")]
    [TestCase(DType.Float16, 2, "float16", "HALF")]
    [TestCase(DType.BFloat16, 2, "bfloat16", " bf16 ")]
    [TestCase(DType.Int32, 4, "int32", "int")]
    [TestCase(DType.UInt8, 1, "uint8", "byte")]
    [TestCase(DType.Int16, 2, "int16", "short")]
    [TestCase(DType.Float8E4M3, 1, "float8_e4m3fn", "FP8-E4M3")]
    [TestCase(DType.Float8E5M2, 1, "float8_e5m2", "e5m2")]
    public void Each_has_a_size_and_a_name_that_reads_back(DType dtype, int size, string name, string alias)
    {
        Assert.That((dtype.SizeInBytes(), dtype.Name()), Is.EqualTo((size, name)));
        Assert.That((DTypes.Parse(name), DTypes.Parse(alias)), Is.EqualTo((dtype, dtype)));
    }

    [Test]
    public void What_is_no_type_is_refused()
    {
        Assert.That(
            () => DTypes.Parse("float8"),
            Throws.InstanceOf<FormatException>().With.Message.Contains("'float8'")
        );
        Assert.That(() => DType.None.SizeInBytes(), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => ((DType)99).Name(), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(DTypes.Of<double>, Throws.ArgumentException);
        Assert.That(DTypes.TryParse(null, out _), Is.False);
    }

    [Test]
    public void The_widest_of_two_different_types_is_float32()
    {
        Assert.That(DTypes.Widest(DType.Float16, DType.Float16), Is.EqualTo(DType.Float16));
        Assert.That(DTypes.Widest(DType.Float16, DType.BFloat16), Is.EqualTo(DType.Float32));
        Assert.That(DTypes.Widest(DType.Float32, DType.BFloat16), Is.EqualTo(DType.Float32));
        Assert.That(() => DTypes.Widest(DType.Int32, DType.Float32), Throws.ArgumentException);
    }
}
