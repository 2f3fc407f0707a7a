namespace NativeAmp.Training.Tests.Autograd;

/// <summary>
/// A linear layer adds its product to a residual in that one's memory, and the norm that completes the sum's gradient
/// copies it in the product's dtype. Values and gradients are those of a product and a sum apart; small integers, of
/// which every operator here is exact, make them equal to the bit.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class ResidualProductTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Rows = 12;
    private const int Width = 8;
    private const string Reason = "it was a test's intermediate";

    [Test]
    public void The_sum_is_exact_and_takes_the_residuals_memory(
        [Values(DType.Float32, DType.Float16, DType.BFloat16)] DType dtype
    )
    {
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float32.WithCompute(dtype));
        using Tensor weight = Integers([Width, Width], 1);
        using Tensor bias = Integers([Width], 2);
        using Tensor input = Integers([Rows, Width], 3);
        using Tensor start = Integers([Rows, Width], 4);
        Tensor residual = Intermediate(start);
        Tensor sum = Ops.LinearInPlace(residual, input, weight, bias, Reason);
        Assert.That(sum.DType, Is.EqualTo(DType.Float32));
        Assert.That(sum.ToFloats(), Is.EqualTo(Expected(input, weight, bias, start)));
        Assert.That(() => residual.ToFloats(), Throws.InstanceOf<ObjectDisposedException>(), "it gave its memory up");
    }

    [Test]
    public void A_residual_that_the_caller_holds_stays_as_it_was()
    {
        using Tensor weight = Integers([Width, Width], 1);
        using Tensor input = Integers([Rows, Width], 3);
        using Tensor residual = Integers([Rows, Width], 4);
        float[] before = residual.ToFloats();
        using Tensor sum = Ops.LinearInPlace(residual, input, weight, null, Reason).Keep();
        Assert.That(sum.ToFloats(), Is.EqualTo(Expected(input, weight, null, residual)));
        Assert.That(residual.ToFloats(), Is.EqualTo(before));
    }

    // The square that follows needs the residual's elements in its backward pass.
    [Test]
    public void A_residual_that_a_backward_pass_needs_is_not_overwritten()
    {
        using Tensor start = Integers([Rows, Width], 4);
        using Tensor weight = Integers([Width, Width], 1);
        using Tensor input = Integers([Rows, Width], 3);
        start.RequiresGrad = true;
        using Tensor ones = Tensor.From(Device, [.. Enumerable.Repeat(1f, Rows * Width)], [Rows, Width]);
        Tensor residual = Intermediate(start);
        Tensor square = Ops.Multiply(residual, residual);
        Tensor sum = Ops.LinearInPlace(residual, input, weight, null, Reason);
        Ops.Add(sum, square).Backward(ones);
        Assert.That(start.Gradient!.ToFloats(), Is.EqualTo(start.ToFloats().Select(x => 1 + (2 * x))));
    }

    // The parts apart round each branch before they add it.
    [Test]
    public void Gradients_of_a_block_are_those_of_its_parts_apart(
        [Values(DType.Float32, DType.Float16, DType.BFloat16)] DType dtype
    )
    {
        double rounding = dtype switch
        {
            DType.Float16 => 1.0 / 512,
            DType.BFloat16 => 1.0 / 64,
            _ => 1e-5,
        };
        float[][] together = Block(dtype, apart: false);
        float[][] apart = Block(dtype, apart: true);
        foreach ((float[] expected, float[] actual) in apart.Zip(together))
        {
            double largest = expected.Max(Math.Abs);
            Assert.That(largest, Is.GreaterThan(1e-3));
            Assert.That(actual, Is.EqualTo(expected).Within(2 * rounding * largest));
        }
    }

    // Input, and every parameter of two blocks and a norm.
    private float[][] Block(DType dtype, bool apart)
    {
        var random = new RandomGenerator(5);
        using Module model = new Blocks(random, apart).To(Device);
        using Tensor input = Tensor.From(Device, Initializers.Normal(1)([2, 6, 16], random), [2, 6, 16]);
        input.RequiresGrad = true;
        using Tensor upstream = Tensor.From(
            Device,
            [.. Enumerable.Range(0, 2 * 6 * 16).Select(i => ((i * 7 % 11) - 5) / 5f)],
            [2, 6, 16]
        );
        using (Autocast.Enter(PrecisionPolicy.Float32.WithCompute(dtype)))
            model.Forward(input).Backward(upstream);
        return [input.Gradient!.ToFloats(), .. model.Parameters().Select(each => each.Gradient!.ToFloats())];
    }

    private static float[] Expected(Tensor input, Tensor weight, Tensor? bias, Tensor residual)
    {
        float[] x = input.ToFloats();
        float[] w = weight.ToFloats();
        float[]? b = bias?.ToFloats();
        float[] sum = residual.ToFloats();
        for (int row = 0; row < Rows; row++)
        {
            for (int column = 0; column < Width; column++)
            {
                float product = b?[column] ?? 0;
                for (int k = 0; k < Width; k++)
                    product += x[(row * Width) + k] * w[(column * Width) + k];
                sum[(row * Width) + column] += product;
            }
        }

        return sum;
    }

    private static Tensor Intermediate(Tensor start) => Ops.Multiply(start, 1);

    private Tensor Integers(Shape shape, int seed)
    {
        var random = new Random(seed);
        return Tensor.From(
            Device,
            [.. Enumerable.Range(0, (int)shape.Count).Select(_ => (float)random.Next(-4, 5))],
            shape
        );
    }

    private sealed class Blocks : Module
    {
        private readonly TransformerBlock _first;
        private readonly TransformerBlock _second;
        private readonly LayerNorm _norm;
        private readonly bool _apart;

        public Blocks(RandomGenerator random, bool apart)
        {
            _first = Register("first", new TransformerBlock(16, 2, causal: true, random: random));
            _second = Register("second", new TransformerBlock(16, 2, causal: true, random: random));
            _norm = Register("norm", new LayerNorm(16));
            _apart = apart;
        }

        public override Tensor Forward(Tensor input)
        {
            Tensor first = _first.Call(input);
            return _norm.Call(_apart ? Apart(first) : _second.ForwardInPlace(first));
        }

        private Tensor Apart(Tensor input)
        {
            Tensor attended = Ops.Add(input, _second.Attention.Call(_second.Norm1.Call(input)));
            Tensor hidden = _second.Expand.Forward(_second.Norm2.Call(attended), _second.Activation);
            return Ops.Add(attended, _second.Contract.Call(hidden));
        }
    }
}
