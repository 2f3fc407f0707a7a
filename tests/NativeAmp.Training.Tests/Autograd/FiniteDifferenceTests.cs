namespace NativeAmp.Training.Tests.Autograd;

/// <summary>
/// Gradients against central differences of the loss: an oracle without backward passes. Sizes are odd on purpose.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class FiniteDifferenceTests(DeviceKind kind)
{
    private const float Step = 1e-2f;

    private static readonly Dictionary<string, Func<Tensor, Tensor>> Functions = new()
    {
        ["scale"] = x => x * -1.7f,
        ["gelu"] = x => Ops.Gelu(x),
        ["gelu by tanh"] = x => Ops.Gelu(x, tanh: true),
        ["softmax"] = Ops.Softmax,
        ["softmax of softmax"] = x => Ops.Softmax(Ops.Softmax(x) * 3),
        ["layer norm"] = x => Ops.LayerNorm(x, null, null),
        ["rms norm"] = x => Ops.RmsNorm(x, null),
        ["mean"] = x => Ops.Mean(x) * 5,
        ["average pool"] = x => Ops.AvgPool2d(x.Reshape(1, 1, 6, 4), 3, stride: 1, padding: 1),
        ["residual"] = x => x + Ops.Gelu(x),
        ["square"] = x => Ops.Multiply(x, x),
        ["gate"] = x => Ops.Multiply(Ops.Silu(x), Ops.Softmax(x)),
        ["product with its columns' sums"] = x => Ops.Multiply(x, Ops.MatMul(Ones(x.Device), x).Reshape(4)),
        ["exponential"] = x => Ops.Exp(x * 0.5f),
        ["logarithm"] = x => Ops.Log(Ops.Abs(x) + Ops.Exp(x)),
        ["square root"] = x => Ops.Sqrt(Ops.Multiply(x, x) + Ops.Exp(x)),
        ["clamp"] = x => Ops.Clamp(x, -0.913f, 0.777f),
        ["cube"] = x => Ops.Pow(x, 3),
        ["power"] = x => Ops.Pow(Ops.Exp(x * 0.3f), -1.7f),
        ["quotient"] = x => x / Ops.Exp(x),
        ["quotient by itself"] = x => Ops.Pow(x, 2) / Ops.Sum(Ops.Exp(x), 1, keepDimension: true),
        ["rows over columns"] = x => Ops.Mean(x, 0, keepDimension: true) / Ops.Sum(Ops.Exp(x), 1, keepDimension: true),
        ["outer sum"] = x => Ops.Add(Ops.Sum(x, 1, keepDimension: true), Ops.Mean(x, 0), 0.5f, -2),
        ["outer product"] = x => Ops.Sum(x, 1, keepDimension: true) * Ops.Mean(x, 0, keepDimension: true),
        ["standardization"] = x =>
            (x - Ops.Mean(x, -1, keepDimension: true))
            / Ops.Sqrt(Ops.Mean(Ops.Pow(x - Ops.Mean(x, -1, keepDimension: true), 2), -1, keepDimension: true)),
        ["middle broadcast twice"] = x =>
            Ops.Divide(Ops.Exp(x.Reshape(1, 2, 1, 12)), Ops.Exp(Ops.Mean(x, 1).Reshape(3, 2, 1, 1))),
        ["sum over the middle"] = x => Ops.Sum(x.Reshape(2, 3, 4), 1),
        ["largest"] = x => Ops.Max(x, 1),
        ["largest of the middle"] = x => Ops.Max(x.Reshape(2, 3, 4), -2, keepDimension: true),
        ["concatenation"] = x => Ops.Concat([Ops.Exp(x), x, x * 2], dimension: 1),
        ["halves, exchanged"] = x => Ops.Concat([Ops.Narrow(x, 0, 3, 3), Ops.Narrow(x, 0, 0, 3)]),
        ["gate of two halves"] = x => Ops.Split(x, 2, dimension: 1)[0] * Ops.Sigmoid(Ops.Split(x, 2, dimension: 1)[1]),
        ["matmul with itself"] = x => Ops.MatMul(x, Ops.Permute(x, 1, 0)),
        ["linear with itself"] = x => Ops.Linear(x, x),
        ["linear and gelu in one pass"] = x => Ops.Linear(x, x, null, Activation.Gelu),
        ["batch norm"] = x => Ops.BatchNorm2d(x.Reshape(2, 3, 2, 2), null, null, null, null, training: true),
        ["packed attention"] = x => Ops.PackedAttention(x.Reshape(1, 4, 6), heads: 2, causal: false),
        ["packed causal attention"] = x => Ops.PackedAttention(x.Reshape(2, 2, 6), heads: 1, causal: true),
        ["attention of a tensor over itself"] = x =>
            Ops.Attention(x.Reshape(1, 2, 3, 4), x.Reshape(1, 2, 3, 4), x.Reshape(1, 2, 3, 4), causal: true),
        ["convolution with groups"] = x =>
            Ops.Conv2d(x.Reshape(1, 2, 4, 3), Kernel(x.Device), null, new Conv2dOptions(Padding: 1, Groups: 2)),
    };

    [TestCaseSource(nameof(Names))]
    public void A_gradient_is_the_slope(string name)
    {
        using Device device = kind.Open();
        var random = new RandomGenerator(17);
        float[] values = Initializers.Normal(1)([24], random);
        using Tensor x = Tensor.From(device, values, [6, 4]);
        x.RequiresGrad = true;

        Objective(Functions[name], x).Backward();
        float[] gradient = x.Gradient!.ToFloats();
        for (int i = 0; i < values.Length; i++)
        {
            double slope = (At(i, Step) - At(i, -Step)) / (2.0 * Step);
            Assert.That(
                (double)gradient[i],
                Is.EqualTo(slope).Within(2e-3 + 1e-2 * Math.Abs(slope)),
                $"{name}, element {i}"
            );
        }

        double At(int index, float change)
        {
            float[] moved = [.. values];
            moved[index] += change;
            using (NoGrad.Enter())
            using (Tensor at = Tensor.From(device, moved, [6, 4]))
                return Objective(Functions[name], at).Item();
        }
    }

    // A weighted sum of squares, so that all elements have different gradients.
    private static Tensor Objective(Func<Tensor, Tensor> function, Tensor x)
    {
        Tensor y = function(x);
        float[] target = Initializers.Normal(1)(y.Shape, new RandomGenerator(5));
        return Loss.MeanSquaredError(y, Tensor.From(x.Device, target, y.Shape));
    }

    private static Tensor Kernel(Device device) =>
        Tensor.From(device, Initializers.Normal(1)([4, 1, 3, 3], new RandomGenerator(3)), [4, 1, 3, 3]);

    private static Tensor Ones(Device device) => Tensor.From(device, new float[] { 1, 1, 1, 1, 1, 1 }, [1, 6]);

    private static string[] Names() => [.. Functions.Keys];
}
