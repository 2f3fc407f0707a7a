using SiluSample;

namespace NativeAmp.Training.Tests.Operators;

/// <summary>Operators that are written outside the library.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class CustomOperatorTests(DeviceKind kind) : Autograd.DeviceTests(kind)
{
    [Test]
    public void The_samples_gradient_is_the_slope()
    {
        if (!Device.IsHostMemory)
            Assert.Ignore("the sample computes on the CPU");
        float[] values = [-3, -1, -0.25f, 0, 0.5f, 2, 4];
        using Tensor x = Tensor.From(Device, values, [7]);
        x.RequiresGrad = true;
        using var layer = new OwnSiluLayer();

        Tensor y = layer.Forward(x);
        Ops.Sum(y).Backward();

        float[] outputs = [.. values.Select(value => (float)Silu(value))];
        float[] gradient = x.Gradient!.ToFloats();
        for (int i = 0; i < values.Length; i++)
        {
            double slope = (Silu(values[i] + 1e-4) - Silu(values[i] - 1e-4)) / 2e-4;
            Assert.That((double)gradient[i], Is.EqualTo(slope).Within(1e-5), $"at {values[i]}");
        }

        using (NoGrad.Enter())
            Assert.That(layer.Forward(x).ToFloats(), Is.EqualTo(outputs).Within(1e-6f));

        static double Silu(double value) => value / (1 + Math.Exp(-value));
    }

    [Test]
    public void Gradients_of_several_uses_and_of_operators_around_it_add_up()
    {
        using Tensor x = Leaf(1, -2, 3);
        var twice = new Twice();

        // 3 x + 2 (2 (2 x)) = 11 x
        Tensor loss = Ops.Sum(x * 3 + twice.Apply(twice.Apply(x)) * 2);
        loss.Backward();

        Assert.That(loss.Item(), Is.EqualTo(22f));
        Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(new float[] { 11, 11, 11 }));
        Assert.That(twice.Backwards, Is.EqualTo(2));
    }

    [Test]
    public void Only_what_requires_a_gradient_gets_one()
    {
        using Tensor a = Leaf(1, 2),
            b = Tensor.From(Device, new float[] { 3, 4 }, [2]);

        Ops.Sum(new Sum().Apply(a, b)).Backward();

        Assert.That(a.Gradient!.ToFloats(), Is.EqualTo(new float[] { 1, 1 }));
        Assert.That(b.Gradient, Is.Null);
        using (NoGrad.Enter())
            Assert.That(new Sum().Apply(a, b).RequiresGrad, Is.False);
        Assert.That(new Sum().Apply(b, b).RequiresGrad, Is.False);
    }

    [Test]
    public void Half_gradients_come_back_scaled_and_in_the_inputs_dtype()
    {
        using Tensor x = Leaf(1, 2);
        using var scaler = new GradScaler(Device, new GradScalerOptions { InitialScale = 8 });

        scaler.Scale(Ops.Sum(Ops.Cast(new Twice().Apply(Ops.Cast(x, DType.Float16)), DType.Float32))).Backward();

        Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(new float[] { 16, 16 }));
    }

    [Test]
    public void A_saved_tensor_that_was_written_since_is_refused_by_name()
    {
        using Tensor x = Leaf(1, 2);
        Tensor loss = Ops.Sum(new Twice().Apply(x));
        x.CopyFrom<float>([5, 6]);

        Assert.That(() => loss.Backward(), Throws.InvalidOperationException.With.Message.Contains("its 'twice' needs"));
        Assert.That(x.Gradient, Is.Null);
    }

    [Test]
    public void What_a_pass_gives_back_is_checked()
    {
        using Tensor x = Leaf(1, 2);

        Assert.That(
            () => new Wrong(inputs => inputs[0], _ => []).Apply(x),
            Throws.InvalidOperationException.With.Message.Contains("memory of an input")
        );
        Assert.That(
            () => new Wrong(_ => null!, _ => []).Apply(x),
            Throws.InvalidOperationException.With.Message.Contains("gave back nothing")
        );
        Assert.That(
            () => new Wrong(inputs => inputs[0] * 2, _ => []).Apply(),
            Throws.ArgumentException.With.Message.Contains("needs an input")
        );
        Assert.That(
            () => Ops.Sum(new Wrong(inputs => inputs[0] * 2, _ => []).Apply(x)).Backward(),
            Throws.InvalidOperationException.With.Message.Contains("gave 0 gradients for 1 inputs")
        );
        Assert.That(
            () => Ops.Sum(new Wrong(inputs => inputs[0] * 2, g => [g.Reshape(1, 2)]).Apply(x)).Backward(),
            Throws.ArgumentException.With.Message.Contains("gradient 0 must have its input's shape")
        );
        // Null means that there is no gradient.
        using Tensor other = Leaf(1, 2);
        Ops.Sum(new Wrong(inputs => inputs[0] * 2, _ => [null]).Apply(other)).Backward();
        Assert.That(other.Gradient, Is.Null);
    }

    [Test]
    public void Its_memory_goes_back()
    {
        using Tensor x = Leaf([.. Enumerable.Range(0, 1000).Select(i => (float)i)]);
        Step();
        long before = Device.MemoryStatistics.LiveTotalBytes;
        for (int i = 0; i < 5; i++)
            Step();

        Assert.That(Device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before));

        void Step()
        {
            using TensorScope scope = TensorScope.Enter();
            Ops.Sum(new Twice().Apply(x)).Backward();
        }
    }

    private Tensor Leaf(params float[] values)
    {
        Tensor x = Tensor.From(Device, values, [values.Length]);
        x.RequiresGrad = true;
        return x;
    }

    /// <summary>2 x, by an operator of the library; it saves its input without need.</summary>
    private sealed class Twice() : CustomOperator("twice")
    {
        public int Backwards { get; private set; }

        protected override Tensor Forward(IReadOnlyList<Tensor> inputs, SavedTensors saved)
        {
            saved.Save(inputs[0]);
            return inputs[0] * 2;
        }

        protected override IReadOnlyList<Tensor?> Backward(IReadOnlyList<Tensor> saved, Tensor outputGradient)
        {
            Backwards++;
            Assert.That(saved[0].Shape, Is.EqualTo(outputGradient.Shape));
            return [outputGradient * 2];
        }
    }

    private sealed class Sum() : CustomOperator("sum of two")
    {
        protected override Tensor Forward(IReadOnlyList<Tensor> inputs, SavedTensors saved) => inputs[0] + inputs[1];

        protected override IReadOnlyList<Tensor?> Backward(IReadOnlyList<Tensor> saved, Tensor outputGradient) =>
            [outputGradient, outputGradient];
    }

    private sealed class Wrong(
        Func<IReadOnlyList<Tensor>, Tensor> forward,
        Func<Tensor, IReadOnlyList<Tensor?>> backward
    ) : CustomOperator("wrong")
    {
        protected override Tensor Forward(IReadOnlyList<Tensor> inputs, SavedTensors saved) => forward(inputs);

        protected override IReadOnlyList<Tensor?> Backward(IReadOnlyList<Tensor> saved, Tensor outputGradient) =>
            backward(outputGradient);
    }
}
