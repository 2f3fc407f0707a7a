namespace NativeAmp.Training.Tests.Autograd;

/// <summary>
/// A layer behind another one's activation multiplies its input's gradient by the activation's slope in its own
/// product. The gradients are those of separate passes: of a hidden tensor whose gradient is kept, or that is used
/// twice, the slope is multiplied apart.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class ActivationSlopeTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Rows = 6;
    private const int Inputs = 10;
    private const int Hidden = 24;
    private const int Outputs = 5;

    private static readonly Activation[] Activations = [Activation.Relu, Activation.Gelu, Activation.GeluTanh];

    // A half-precision product that is rounded before the slope, and one that is not, differ by that rounding.
    [Test]
    public void Gradients_are_those_of_separate_passes(
        [ValueSource(nameof(Activations))] Activation activation,
        [Values(DType.Float32, DType.Float16, DType.BFloat16)] DType dtype
    )
    {
        double rounding = dtype switch
        {
            DType.Float16 => 1.0 / 1024,
            DType.BFloat16 => 1.0 / 128,
            _ => 1e-6,
        };
        float[][] separate = Backward(activation, dtype, hidden => hidden.RetainGradient());
        float[][] together = Backward(activation, dtype, _ => { });
        foreach ((float[] expected, float[] actual) in separate.Zip(together))
        {
            double largest = expected.Max(Math.Abs);
            Assert.That(largest, Is.GreaterThan(0.01));
            Assert.That(actual, Is.EqualTo(expected).Within(2 * rounding * largest));
        }
    }

    [Test]
    public void A_hidden_tensor_that_is_used_twice_has_the_sum_of_both_gradients()
    {
        using var layers = new Layers(Device);
        Tensor hidden = Ops.Linear(layers.Input, layers.First, activation: Activation.Gelu);
        Tensor once = Ops.Linear(hidden, layers.Second);
        Tensor again = Ops.Linear(hidden, layers.Second);
        Ops.Add(once, again).Backward(layers.Upstream);
        float[] twice = layers.First.Gradient!.ToFloats();
        layers.First.ZeroGrad();
        Ops.Linear(Ops.Linear(layers.Input, layers.First, activation: Activation.Gelu), layers.Second)
            .Backward(layers.Upstream);
        float[] single = layers.First.Gradient!.ToFloats();
        Assert.That(twice, Is.EqualTo(single.Select(x => 2 * x)).Within(1e-5));
    }

    // The second pass goes over the same graph: what the first noted of it no longer counts.
    [Test]
    public void A_graph_that_is_kept_gives_the_same_gradients_again()
    {
        using var layers = new Layers(Device);
        Tensor hidden = Ops.Linear(layers.Input, layers.First, activation: Activation.Gelu);
        Tensor output = Ops.Linear(hidden, layers.Second);
        output.Backward(layers.Upstream, retainGraph: true);
        float[] first = layers.First.Gradient!.ToFloats();
        layers.First.ZeroGrad();
        hidden.RetainGradient();
        output.Backward(layers.Upstream);
        Assert.That(layers.First.Gradient!.ToFloats(), Is.EqualTo(first).Within(1e-6));
        Assert.That(hidden.Gradient!.ToFloats().Max(Math.Abs), Is.GreaterThan(0.01));
    }

    private float[][] Backward(Activation activation, DType dtype, Action<Tensor> prepare)
    {
        using var layers = new Layers(Device);
        using Tensor upstream = Ops.Cast(layers.Upstream, dtype).Keep();
        using (Autocast.Enter(PrecisionPolicy.Float32.WithCompute(dtype)))
        {
            Tensor hidden = Ops.Linear(layers.Input, layers.First, activation: activation);
            prepare(hidden);
            Ops.Linear(hidden, layers.Second).Backward(upstream);
        }

        return
        [
            layers.Input.Gradient!.ToFloats(),
            layers.First.Gradient!.ToFloats(),
            layers.Second.Gradient!.ToFloats(),
        ];
    }

    private sealed class Layers : IDisposable
    {
        public Layers(Device device)
        {
            var random = new RandomGenerator(5);
            Input = Draw([Rows, Inputs]);
            First = Draw([Hidden, Inputs]);
            Second = Draw([Outputs, Hidden]);
            Upstream = Draw([Rows, Outputs]);
            Input.RequiresGrad = First.RequiresGrad = Second.RequiresGrad = true;

            Tensor Draw(Shape shape) => Tensor.From(device, Initializers.Normal(0.5f)(shape, random), shape);
        }

        public Tensor Input { get; }

        public Tensor First { get; }

        public Tensor Second { get; }

        public Tensor Upstream { get; }

        public void Dispose()
        {
            Input.Dispose();
            First.Dispose();
            Second.Dispose();
            Upstream.Dispose();
        }
    }
}
