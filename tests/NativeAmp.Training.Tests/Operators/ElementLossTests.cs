using NativeAmp.Training.Tests.Autograd;

namespace NativeAmp.Training.Tests.Operators;

/// <summary>Losses of elements, and cross-entropy's options, beside their definitions in double.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class ElementLossTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Rows = 5;
    private const int Columns = 7;

    private static readonly DType[] s_types = [DType.Float32, DType.Float16, DType.BFloat16];

    [TestCaseSource(nameof(s_types))]
    public void L1_and_smooth_L1(DType dtype)
    {
        foreach (float beta in new[] { 0f, 0.4f, 1f })
        foreach (Reduction reduction in Enum.GetValues<Reduction>())
            Check(
                dtype,
                (x, t) => beta == 0 ? Loss.L1(x, t, reduction) : Loss.SmoothL1(x, t, beta, reduction),
                (x, t, _) => Math.Abs(x - t) is var d && d < beta ? d * d / (2 * beta) : d - beta / 2,
                (x, t, _) => Math.Abs(x - t) < beta ? (x - t) / beta : Math.Sign(x - t),
                reduction
            );
    }

    [TestCaseSource(nameof(s_types))]
    public void Binary_cross_entropy(DType dtype)
    {
        double[] weights = [1, 0.5, 2, 3, 1, 0.25, 1.5];
        using Tensor weight = Tensor.From(Device, Array.ConvertAll(weights, w => (float)w), [Columns]);
        foreach (bool weighs in new[] { false, true })
        foreach (Reduction reduction in Enum.GetValues<Reduction>())
            Check(
                dtype,
                (x, t) => Loss.BinaryCrossEntropyWithLogits(x, Ops.Sigmoid(t), weighs ? weight : null, reduction),
                (x, t, i) => Binary(x, Sigmoid(t, dtype), weighs ? weights[i % Columns] : 1).Loss,
                (x, t, i) => Binary(x, Sigmoid(t, dtype), weighs ? weights[i % Columns] : 1).Slope,
                reduction,
                ofTarget: false
            );
    }

    [Test]
    public void The_gradient_of_probabilities()
    {
        using Tensor x = Tensor.From(Device, new[] { -2f, 0.5f, 3f }, [3]);
        using Tensor t = Tensor.From(Device, new[] { 0.25f, 1f, 0.75f }, [3]);
        using Tensor w = Tensor.From(Device, new[] { 2f }, [1]);
        t.RequiresGrad = true;
        using Tensor weights = Tensor.From(Device, new[] { 2f, 2f, 2f }, [3]);
        Loss.BinaryCrossEntropyWithLogits(x, t, weights, Reduction.Sum).Backward();
        double[] expected =
        [
            .. new[] { -2.0, 0.5, 3.0 }.Select(v => 2 * Math.Log(1 + Math.Exp(-v)) - Math.Log(1 + Math.Exp(v))),
        ];
        Assert.That(t.Gradient!.ToFloats(), Is.EqualTo(expected).Within(1e-5));
    }

    [TestCaseSource(nameof(s_types))]
    public void Cross_entropy_with_weights_and_smoothing(DType dtype)
    {
        int[] labels = [3, 0, -100, 6, 3];
        double[] weights = [1, 0.5, 2, 3, 1, 0.25, 1.5];
        using Tensor indices = Tensor.From(Device, labels, [Rows]);
        using Tensor weight = Tensor.From(Device, Array.ConvertAll(weights, w => (float)w), [Columns]);
        foreach (float smoothing in new[] { 0f, 0.1f, 1f })
        foreach (bool weighs in new[] { false, true })
        foreach (Reduction reduction in Enum.GetValues<Reduction>())
        foreach (bool linear in new[] { false, true })
        {
            float[] values = Initializers.Normal(1)([Rows, Columns], new RandomGenerator(3));
            using Tensor given = Tensor.From(Device, values, [Rows, Columns]);
            using Tensor x = Ops.Cast(given, dtype).Detach().Keep();
            x.RequiresGrad = true;
            using Tensor unit = Tensor.From(Device, Unit(), [Columns, Columns]);
            using Tensor identity = Ops.Cast(unit, dtype).Detach().Keep();
            Tensor? of = weighs ? weight : null;
            Tensor loss = linear
                ? Loss.LinearCrossEntropy(x, identity, indices, reduction, -100, of, smoothing)
                : Loss.CrossEntropy(x, indices, reduction, -100, of, smoothing);
            loss.Backward();

            (double expected, double[] gradient) = Smoothed(
                Array.ConvertAll(x.ToFloats(), v => (double)v),
                labels,
                weighs ? weights : [.. Enumerable.Repeat(1.0, Columns)],
                smoothing,
                reduction
            );
            string what = $"smoothing {smoothing}, weights {weighs}, {reduction}, linear {linear}";
            Assert.That(loss.Item(), Is.EqualTo(expected).Within(1e-5 * (1 + expected)), what);
            Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(gradient).Within(Tolerance(dtype)), what);
        }
    }

    [Test]
    public void What_does_not_fit_is_named()
    {
        using Tensor x = Tensor.Zeros(Device, DType.Float32, [Rows, Columns]);
        using Tensor narrow = Tensor.Zeros(Device, DType.Float32, [Columns - 1]);
        using Tensor half = Tensor.Zeros(Device, DType.Float16, [Columns]);
        using Tensor labels = Tensor.Zeros(Device, DType.Int32, [Rows]);
        using Tensor learned = Tensor.Zeros(Device, DType.Float32, [Columns]);
        learned.RequiresGrad = true;

        foreach (Tensor wrong in new[] { narrow, half, learned })
        {
            Assert.That(
                () => Loss.CrossEntropy(x, labels, classWeights: wrong),
                Throws.ArgumentException.With.Message.Contains("float32 [7]")
            );
            Assert.That(
                () => Loss.BinaryCrossEntropyWithLogits(x, x, wrong),
                Throws.ArgumentException.With.Message.Contains("weights are float32")
            );
        }

        foreach (float wrong in new[] { -0.1f, 1.5f, float.NaN })
            Assert.That(
                () => Loss.CrossEntropy(x, labels, labelSmoothing: wrong),
                Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("0 to 1")
            );
        foreach (float wrong in new[] { -0.1f, float.PositiveInfinity, float.NaN })
            Assert.That(() => Loss.SmoothL1(x, x, wrong), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => Loss.L1(x, narrow), Throws.ArgumentException.With.Message.Contains("L1 cannot take"));
        Assert.That(() => Loss.L1(x, labels), Throws.ArgumentException.With.Message.Contains("floating-point"));
    }

    [Test]
    public void Losses_are_float32_under_autocast_and_change_when_their_weights_do()
    {
        using Tensor x = Tensor.From(Device, Initializers.Normal(1)([6], new RandomGenerator(3)), [6]);
        using Tensor weight = Tensor.From(Device, new float[] { 1, 2, 3, 4, 5, 6 }, [6]);
        x.RequiresGrad = true;
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float16);
        Tensor loss = Loss.BinaryCrossEntropyWithLogits(x, Ops.Sigmoid(x.Detach()), weight);
        Assert.That(loss.DType, Is.EqualTo(DType.Float32));
        weight.CopyFrom<float>([1, 1, 1, 1, 1, 1]);
        Assert.That(() => loss.Backward(), Throws.InvalidOperationException.With.Message.Contains("written since"));
    }

    private static float[] Unit()
    {
        var unit = new float[Columns * Columns];
        for (int i = 0; i < Columns; i++)
            unit[i * Columns + i] = 1;
        return unit;
    }

    private static double Tolerance(DType dtype) =>
        dtype switch
        {
            DType.Float32 => 1e-5,
            DType.Float16 => 2e-3,
            _ => 1.6e-2,
        };

    private static double Sigmoid(double x, DType dtype)
    {
        double y = 1 / (1 + Math.Exp(-x));
        return dtype switch
        {
            DType.Float32 => y,
            DType.Float16 => (double)(Half)y,
            _ => (double)(float)(BFloat16)(float)y,
        };
    }

    private static (double Loss, double Slope) Binary(double x, double t, double w) =>
        (
            w * t * Math.Log(1 + Math.Exp(-x)) + (1 - t) * Math.Log(1 + Math.Exp(x)),
            (1 - t) / (1 + Math.Exp(-x)) - w * t / (1 + Math.Exp(x))
        );

    // The targets' distribution is (1 - smoothing) of the label and the rest evenly of all. A class's term has its
    // weight.
    private static (double Loss, double[] Gradient) Smoothed(
        double[] x,
        int[] labels,
        double[] weights,
        double smoothing,
        Reduction reduction
    )
    {
        double loss = 0,
            divisor = 0;
        var gradient = new double[x.Length];
        for (int row = 0; row < labels.Length; row++)
        {
            if (labels[row] < 0)
                continue;
            divisor += weights[labels[row]];
            double[] logits = x[(row * Columns)..((row + 1) * Columns)];
            double logSum = Math.Log(logits.Sum(Math.Exp));
            for (int k = 0; k < Columns; k++)
            {
                double share = weights[k] * (smoothing / Columns + (k == labels[row] ? 1 - smoothing : 0));
                loss += share * (logSum - logits[k]);
                for (int c = 0; c < Columns; c++)
                    gradient[row * Columns + c] += share * (Math.Exp(logits[c] - logSum) - (c == k ? 1 : 0));
            }
        }

        if (reduction == Reduction.Sum)
            divisor = 1;
        return (loss / divisor, [.. gradient.Select(g => g / divisor)]);
    }

    private void Check(
        DType dtype,
        Func<Tensor, Tensor, Tensor> loss,
        Func<double, double, int, double> expected,
        Func<double, double, int, double> slope,
        Reduction reduction,
        bool ofTarget = true
    )
    {
        using Tensor x = Leaf(dtype, 3);
        using Tensor t = Leaf(dtype, 4);
        t.RequiresGrad = ofTarget;
        Tensor found = loss(x, t);
        found.Backward();
        float[] xs = x.ToFloats(),
            ts = t.ToFloats();
        double divisor = reduction == Reduction.Mean ? xs.Length : 1;
        double total = xs.Select((v, i) => expected(v, ts[i], i)).Sum() / divisor;
        double[] slopes = [.. xs.Select((v, i) => slope(v, ts[i], i) / divisor)];
        Assert.That(found.Item(), Is.EqualTo(total).Within(1e-5 * (1 + total)));
        Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(slopes).Within(Tolerance(dtype)));
        if (ofTarget)
            Assert.That(t.Gradient!.ToFloats(), Is.EqualTo(slopes.Select(s => -s)).Within(Tolerance(dtype)));
    }

    private Tensor Leaf(DType dtype, ulong seed)
    {
        float[] values = Initializers.Normal(1)([Rows, Columns], new RandomGenerator(seed));
        using Tensor wide = Tensor.From(Device, values, [Rows, Columns]);
        Tensor leaf = Ops.Cast(wide, dtype).Detach().Keep();
        if (dtype == DType.Float32)
            leaf = Tensor.From(Device, values, [Rows, Columns]);
        leaf.RequiresGrad = true;
        return leaf;
    }
}
