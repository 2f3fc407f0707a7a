namespace NativeAmp.Training.Tests.Autograd;

/// <summary>
/// Memory that a transformer keeps for its backward pass in half precision: one half, although its residual sum is
/// float32.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class HalfActivationsTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Rows = 5;
    private const int Width = 48;

    // The two blocks keep half. The rest is the logarithms of attention's sums and, for a short time, the float32 sum
    // itself.
    [TestCase(DType.Float16)]
    [TestCase(DType.BFloat16)]
    public void A_transformer_s_activations_take_half_the_memory(DType compute)
    {
        double half = Peak(PrecisionPolicy.Float32.WithCompute(compute));
        double full = Peak(PrecisionPolicy.Float32);
        Assert.That(half / full, Is.InRange(0.5, 0.525));

        double Peak(PrecisionPolicy policy)
        {
            using Device device = Kind.Open();
            using Gpt model = Models
                .Gpt(
                    new GptOptions
                    {
                        Vocabulary = 32,
                        Context = 32,
                        Width = 64,
                        Heads = 1,
                        Blocks = 2,
                    },
                    new RandomGenerator(3)
                )
                .To(device);
            using Tensor tokens = Tensor.From(
                device,
                Enumerable.Range(0, 128).Select(i => i * i % 31).ToArray(),
                [4, 32]
            );
            using (Autocast.Enter(policy))
                Loss.CrossEntropy(model.Forward(tokens), tokens).Backward();
            return device.MemoryStatistics.PeakBytes(MemoryKind.Activations);
        }
    }

    // Backward of a norm that rounds its output has each normalized element with the relative error of the rounding.
    [TestCase(DType.Float16, 1.0 / 2048)]
    [TestCase(DType.BFloat16, 1.0 / 256)]
    public void A_norm_that_rounds_has_the_gradients_of_its_float32_input(DType dtype, double error)
    {
        using Tensor x = Normal([Rows, Width], 1);
        using Tensor weight = Normal([Width], 2);
        using Tensor upstream = Ops.Cast(Normal([Rows, Width], 3), dtype).Keep();
        x.RequiresGrad = weight.RequiresGrad = true;
        Ops.LayerNorm(x, weight, null, outputType: dtype).Backward(upstream);

        float[] xs = x.ToFloats();
        float[] ws = weight.ToFloats();
        float[] gs = upstream.ToFloats();
        float[] input = x.Gradient!.ToFloats();
        float[] gain = weight.Gradient!.ToFloats();
        var gains = new double[Width];
        var gainSizes = new double[Width];
        for (int row = 0; row < Rows; row++)
        {
            double[] values = Array.ConvertAll(xs[(row * Width)..((row + 1) * Width)], value => (double)value);
            double mean = values.Average();
            double inverse = 1 / Math.Sqrt(values.Average(value => (value - mean) * (value - mean)) + 1e-5f);
            double[] normal = Array.ConvertAll(values, value => (value - mean) * inverse);
            double[] g = [.. normal.Select((_, i) => (double)gs[row * Width + i] * ws[i])];
            double meanG = g.Average();
            double meanProduct = g.Zip(normal, (a, b) => a * b).Average();
            double meanSize = g.Zip(normal, (a, b) => Math.Abs(a * b)).Average();
            for (int i = 0; i < Width; i++)
            {
                double expected = inverse * (g[i] - meanG - normal[i] * meanProduct);
                double allowed = 1e-5 + error * inverse * Math.Abs(normal[i]) * (Math.Abs(meanProduct) + meanSize);
                Assert.That(input[row * Width + i], Is.EqualTo(expected).Within(allowed), $"row {row}, column {i}");
                gains[i] += gs[row * Width + i] * normal[i];
                gainSizes[i] += Math.Abs(gs[row * Width + i] * normal[i]);
            }
        }

        for (int i = 0; i < Width; i++)
            Assert.That(gain[i], Is.EqualTo(gains[i]).Within(1e-5 + error * gainSizes[i]), $"weight {i}");
    }

    // In half precision a branch is rounded before it is added to an input that stays.
    [TestCase(DType.Float32, 0)]
    [TestCase(DType.Float16, 1.0 / 1024)]
    public void A_block_whose_input_is_given_up_computes_the_same(DType compute, double rounding)
    {
        using TransformerBlock block = new TransformerBlock(
            Width,
            heads: 2,
            causal: true,
            random: new RandomGenerator(5)
        ).To(Device);
        using Tensor x = Normal([1, Rows, Width], 6);
        x.RequiresGrad = true;
        (float[] output, float[] gradient) = Run(block.Forward);
        (float[] outputInPlace, float[] gradientInPlace) = Run(input => block.ForwardInPlace(input));
        Assert.That(outputInPlace, Is.EqualTo(output).Within(rounding * output.Max(Math.Abs)));
        Assert.That(gradientInPlace, Is.EqualTo(gradient).Within(rounding * gradient.Max(Math.Abs)));

        (float[] Output, float[] Gradient) Run(Func<Tensor, Tensor> forward)
        {
            x.ZeroGrad();
            using IDisposable? autocast = Autocast.Enter(PrecisionPolicy.Float32.WithCompute(compute));
            Tensor y = forward(x * 2);
            float[] values = y.ToFloats();
            y.Backward(x);
            return (values, x.Gradient!.ToFloats());
        }
    }

    [Test]
    public void A_block_leaves_alone_what_the_caller_owns()
    {
        using TransformerBlock block = new TransformerBlock(Width, heads: 2, random: new RandomGenerator(5)).To(Device);
        using Tensor x = Normal([1, Rows, Width], 6);
        float[] before = x.ToFloats();
        using (NoGrad.Enter())
        using (Autocast.Enter(PrecisionPolicy.Float16))
        {
            Tensor doubled = x * 2;
            block.Forward(doubled);
            Assert.That(doubled.IsAlive);
            block.ForwardInPlace(doubled);
            Assert.That(doubled.IsAlive, Is.False);
            block.ForwardInPlace(x);
        }

        Assert.That(x.ToFloats(), Is.EqualTo(before));
    }

    private Tensor Normal(Shape shape, ulong seed) =>
        Tensor.From(Device, Initializers.Normal(1)(shape, new RandomGenerator(seed)), shape);
}
