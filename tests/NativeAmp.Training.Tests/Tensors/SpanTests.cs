namespace NativeAmp.Training.Tests.Tensors;

/// <summary>The elements of a tensor in place.</summary>
internal sealed class SpanTests
{
    private Device _device = null!;

    [SetUp]
    public void Open() => _device = Device.Cpu(1);

    [TearDown]
    public void Close() => _device.Dispose();

    [Test]
    public void A_span_is_the_tensor_s_memory()
    {
        using Tensor tensor = Tensor.From<float>(_device, [1, 2, 3], [3]);
        tensor.AsSpan<float>()[1] = 20;
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(new float[] { 1, 20, 3 }));
        Assert.That(tensor.AsReadOnlySpan<float>().ToArray(), Is.EqualTo(new float[] { 1, 20, 3 }));
    }

    [Test]
    public void Every_dtype_has_its_NET_type_and_FP8_has_bytes()
    {
        using Tensor half = Tensor.From<Half>(_device, [(Half)1.5], [1]);
        using Tensor brain = Tensor.From<BFloat16>(_device, [(BFloat16)1.5f], [1]);
        using Tensor integer = Tensor.From<int>(_device, [7], [1]);
        using Tensor fp8 = Tensor.Empty(_device, DType.Float8E4M3, [1]);
        fp8.AsSpan<byte>()[0] = 0x38;
        Assert.That(half.AsSpan<Half>()[0], Is.EqualTo((Half)1.5));
        Assert.That(brain.AsSpan<BFloat16>()[0], Is.EqualTo((BFloat16)1.5f));
        Assert.That(integer.AsSpan<int>()[0], Is.EqualTo(7));
        Assert.That(fp8.ToArray<byte>(), Is.EqualTo(new byte[] { 0x38 }));
        Assert.That(
            () => half.AsSpan<BFloat16>().Length,
            Throws.ArgumentException.With.Message.Contains("float16 tensor [1] does not hold elements of type BFloat16")
        );
    }

    [Test]
    public void A_parameter_has_a_span_before_it_is_on_a_device_and_after()
    {
        using var linear = new Linear(2, 1);
        linear.Weight.AsSpan<float>()[0] = 3;
        linear.To(_device);
        Assert.That(linear.Weight.ToArray<float>()[0], Is.EqualTo(3));
        linear.Weight.AsSpan<float>()[0] = 4;
        Assert.That(linear.Weight.ToArray<float>()[0], Is.EqualTo(4));
    }

    [Test]
    public void Values_written_by_a_span_reach_the_compute_copy()
    {
        using var linear = new Linear(1, 1, bias: false);
        linear.To(_device);
        linear.Weight.CopyFrom<float>([1]);
        using Tensor one = Tensor.From<float>(_device, [1], [1, 1]);
        using NoGrad noGrad = NoGrad.Enter();
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.BFloat16);
        Assert.That(linear.Forward(one).ToFloats()[0], Is.EqualTo(1));
        linear.Weight.AsSpan<float>()[0] = 2;
        Assert.That(linear.Forward(one).ToFloats()[0], Is.EqualTo(2));
    }

    [Test]
    public void A_backward_pass_refuses_values_that_were_written_by_a_span()
    {
        using Tensor x = Tensor.From<float>(_device, [1, 2], [2]);
        x.RequiresGrad = true;
        using Tensor loss = Ops.Mean(Ops.Gelu(x));
        x.AsSpan<float>()[0] = 5;
        Assert.That(() => loss.Backward(), Throws.InvalidOperationException);
    }

    [Test]
    public void Reading_in_place_is_no_write()
    {
        using Tensor x = Tensor.From<float>(_device, [1, 2], [2]);
        x.RequiresGrad = true;
        using Tensor loss = Ops.Mean(Ops.Gelu(x));
        _ = x.AsReadOnlySpan<float>();
        Assert.That(() => loss.Backward(), Throws.Nothing);
    }

    [Test]
    public void Outputs_that_gradients_flow_through_can_be_read_and_not_written()
    {
        using Tensor x = Tensor.From<float>(_device, [1, 2], [2]);
        x.RequiresGrad = true;
        using Tensor output = x * 2;
        Assert.That(output.AsReadOnlySpan<float>()[1], Is.EqualTo(4));
        Assert.That(
            () => output.AsSpan<float>().Length,
            Throws.InvalidOperationException.With.Message.Contains("Detach()")
        );
    }

    [Test]
    public void A_disposed_tensor_has_no_span()
    {
        Tensor tensor = Tensor.Zeros(_device, DType.Float32, [1]);
        tensor.Dispose();
        Assert.That(() => tensor.AsSpan<float>().Length, Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => tensor.AsReadOnlySpan<float>().Length, Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Memory_of_a_GPU_has_no_span()
    {
        using Device gpu = DeviceKind.Cuda.Open();
        using Tensor tensor = Tensor.Zeros(gpu, DType.Float32, [1]);
        Assert.That(
            () => tensor.AsSpan<float>().Length,
            Throws.InvalidOperationException.With.Message.Contains("CopyTo")
        );
    }
}
