namespace NativeAmp.Training.Tests.Autograd;

/// <summary>The dtypes of operators and of their gradients.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class AutocastTests(DeviceKind kind) : DeviceTests(kind)
{
    [TestCase(DType.Float16)]
    [TestCase(DType.BFloat16)]
    public void Low_precision_operators_compute_in_the_policy_s_dtype_and_leave_gradients_in_it(DType compute)
    {
        using Linear linear = new Linear(3, 2).To(Device);
        using Tensor x = Floats([2, 3]);
        x.RequiresGrad = true;
        using (Autocast.Enter(PrecisionPolicy.Float32.WithCompute(compute)))
        {
            Tensor y = linear.Forward(x);
            Assert.That(y.DType, Is.EqualTo(compute));
            Ops.Sum(y).Backward();
        }

        Assert.That(linear.Weight.Gradient!.DType, Is.EqualTo(compute));
        Assert.That(linear.Bias!.Gradient!.DType, Is.EqualTo(compute));
        Assert.That(x.Gradient!.DType, Is.EqualTo(DType.Float32));
        Assert.That(linear.Weight.DType, Is.EqualTo(DType.Float32));
    }

    [Test]
    public void Without_autocast_everything_stays_float32()
    {
        using Linear linear = new Linear(3, 2).To(Device);
        using Tensor x = Floats([2, 3]);
        Tensor y = linear.Forward(x);
        Ops.Sum(y).Backward();
        Assert.That(linear.Weight.Gradient!.DType, Is.EqualTo(DType.Float32));
        Assert.That(((IParameter)linear.Weight).ComputeCopy, Is.EqualTo(default(TensorCell)));
    }

    [Test]
    public void Norms_softmax_and_losses_give_float32_of_any_input_and_hand_back_its_dtype()
    {
        using Tensor half = Tensor.From(Device, [(Half)1, (Half)2, (Half)4, (Half)8], [2, 2]);
        using Tensor labels = Tensor.From(Device, [0, 1], [2]);
        using LayerNorm norm = new LayerNorm(2).To(Device);
        half.RequiresGrad = true;
        using (Autocast.Enter(PrecisionPolicy.Float16))
        {
            Assert.That(Ops.Softmax(half).DType, Is.EqualTo(DType.Float32));
            Tensor normed = norm.Forward(half);
            Assert.That(normed.DType, Is.EqualTo(DType.Float32));
            Tensor loss = Loss.CrossEntropy(normed, labels);
            Assert.That(loss.DType, Is.EqualTo(DType.Float32));
            loss.Backward();
        }

        Assert.That(half.Gradient!.DType, Is.EqualTo(DType.Float16));
        Assert.That(norm.Weight.Gradient!.DType, Is.EqualTo(DType.Float32));
    }

    [Test]
    public void Sums_take_their_widest_input()
    {
        using Tensor half = Tensor.From(Device, [(Half)1, (Half)2], [2]);
        using Tensor brain = Tensor.From(Device, [(BFloat16)1f, (BFloat16)2f], [2]);
        using Tensor full = Floats([2]);
        Assert.That((half + half).DType, Is.EqualTo(DType.Float16));
        Assert.That((full + half).DType, Is.EqualTo(DType.Float32));
        Assert.That((half + brain).DType, Is.EqualTo(DType.Float32));
    }

    [Test]
    public void A_policy_may_overrule_an_operator()
    {
        using Linear linear = new Linear(3, 2).To(Device);
        using Tensor x = Floats([2, 3]);
        using (Autocast.Enter(PrecisionPolicy.Float16.WithOperator("linear", OperatorPrecision.Float32)))
            Assert.That(linear.Forward(x).DType, Is.EqualTo(DType.Float32));
    }

    [Test]
    public void The_compute_copy_follows_values_that_somebody_else_wrote()
    {
        using Linear linear = new Linear(2, 1, bias: false).To(Device);
        using Tensor x = Tensor.From(Device, [1f, 1], [1, 2]);
        using (NoGrad.Enter())
        using (Autocast.Enter(PrecisionPolicy.Float16))
        {
            linear.Weight.CopyFrom<float>([1, 2]);
            Assert.That(linear.Forward(x).ToFloats(), Is.EqualTo(new float[] { 3 }));
            linear.Weight.CopyFrom<float>([10, 20]);
            Assert.That(linear.Forward(x).ToFloats(), Is.EqualTo(new float[] { 30 }));
        }
    }

    [Test]
    public void The_compute_copy_is_the_optimizer_s_after_its_step()
    {
        using Linear linear = new Linear(4, 3, random: new RandomGenerator(1)).To(Device);
        using Tensor x = Floats([2, 4]);
        using var optimizer = new FusedAdam(linear.Parameters(), new AdamOptions { LearningRate = 0.1 });
        for (int step = 0; step < 3; step++)
        {
            using (Autocast.Enter(PrecisionPolicy.Float16))
                Ops.Sum(linear.Forward(x)).Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
        }

        Half[] expected = Array.ConvertAll(linear.Weight.ToFloats(), value => (Half)value);
        TensorCell copy = ((IParameter)linear.Weight).ComputeCopy;
        Assert.That(copy.DType, Is.EqualTo(DType.Float16));
        var bytes = new byte[2 * expected.Length];
        Device.CopyToHost(bytes, copy.Pointer);
        Assert.That(
            System.Runtime.InteropServices.MemoryMarshal.Cast<byte, Half>(bytes).ToArray(),
            Is.EqualTo(expected)
        );
    }

    [Test]
    public void A_tied_embedding_and_head_accumulate_in_float32()
    {
        // A table of 3 x 2: the embedding gives a float32 gradient, the head under autocast a float16 one.
        using Embedding table = new Embedding(3, 2, random: new RandomGenerator(2)).To(Device);
        using Tensor tokens = Tensor.From(Device, [0, 2, 2], [3]);
        float[] together = Run(embeds: true, heads: true);
        float[] embedding = Run(embeds: true, heads: false);
        float[] head = Run(embeds: false, heads: true);
        for (int i = 0; i < together.Length; i++)
            Assert.That(
                together[i],
                Is.EqualTo(embedding[i] + head[i]).Within(4e-3f + 2e-3f * Math.Abs(together[i])),
                $"element {i}"
            );

        float[] Run(bool embeds, bool heads)
        {
            table.ZeroGrad();
            using (Autocast.Enter(PrecisionPolicy.Float16))
            {
                Tensor vectors = Ops.Embedding(tokens, embeds ? table.Weight : table.Weight.Detach());
                Tensor logits = Ops.Linear(vectors, heads ? table.Weight : table.Weight.Detach());
                using Tensor labels = Tensor.From(Device, [1, 0, 2], [3]);
                Loss.CrossEntropy(logits, labels, Reduction.Sum).Backward();
            }

            DType expected = embeds ? DType.Float32 : DType.Float16;
            Assert.That(table.Weight.Gradient!.DType, Is.EqualTo(expected));
            return table.Weight.Gradient!.ToFloats();
        }
    }

    [Test]
    public void Tied_gradients_have_the_same_bits_in_every_step()
    {
        using Embedding table = new Embedding(5, 4, random: new RandomGenerator(2)).To(Device);
        using Tensor tokens = Tensor.From(Device, [0, 2, 4], [3]);
        using Tensor labels = Tensor.From(Device, [1, 0, 2], [3]);
        float[]? first = null;
        for (int step = 0; step < 3; step++)
        {
            using (Autocast.Enter(PrecisionPolicy.Float16))
                Loss.CrossEntropy(Ops.Linear(table.Forward(tokens), table.Weight), labels).Backward();
            float[] gradient = table.Weight.Gradient!.ToFloats();
            table.ZeroGrad();
            first ??= gradient;
            Assert.That(gradient, Is.EqualTo(first), $"step {step}");
        }
    }

    [Test]
    public void A_scaled_backward_multiplies_every_gradient_by_the_scale()
    {
        using Linear linear = new Linear(3, 2, random: new RandomGenerator(4)).To(Device);
        using Tensor x = Floats([2, 3]);
        using Tensor labels = Tensor.From(Device, [0, 1], [2]);
        using var scaler = new GradScaler(Device, new GradScalerOptions { InitialScale = 1024 });
        Loss.CrossEntropy(linear.Forward(x), labels).Backward();
        float[] plain = linear.Weight.Gradient!.ToFloats();
        linear.ZeroGrad();
        scaler.Scale(Loss.CrossEntropy(linear.Forward(x), labels)).Backward();
        float[] scaled = linear.Weight.Gradient!.ToFloats();
        for (int i = 0; i < plain.Length; i++)
            Assert.That(scaled[i], Is.EqualTo(1024 * plain[i]).Within(1e-5).Percent);
    }

    [Test]
    public void Accumulating_two_half_batches_is_the_whole_batch()
    {
        using Linear linear = new Linear(3, 2, random: new RandomGenerator(4)).To(Device);
        using Tensor x = Floats([4, 3]);
        float[] values = x.ToFloats();
        using Tensor first = Tensor.From(Device, values[..6], [2, 3]);
        using Tensor second = Tensor.From(Device, values[6..], [2, 3]);
        Ops.Sum(linear.Forward(x)).Backward();
        float[] whole = linear.Weight.Gradient!.ToFloats();
        linear.ZeroGrad();
        Ops.Sum(linear.Forward(first)).Backward();
        Ops.Sum(linear.Forward(second)).Backward();
        Assert.That(linear.Weight.Gradient!.ToFloats(), Is.EqualTo(whole).Within(1e-5f));
    }

    private Tensor Floats(Shape shape) =>
        Tensor.From(Device, Initializers.Normal(1)(shape, new RandomGenerator(9)), shape);
}
