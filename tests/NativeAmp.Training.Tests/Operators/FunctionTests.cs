using NativeAmp.Training.Tests.Autograd;

namespace NativeAmp.Training.Tests.Operators;

/// <summary>Functions, broadcasting, reductions over a dimension and parts, beside plain loops in double.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class FunctionTests(DeviceKind kind) : DeviceTests(kind)
{
    private static readonly DType[] s_types = [DType.Float32, DType.Float16, DType.BFloat16];

    private static readonly Dictionary<string, (Func<Tensor, Tensor> Of, Func<double, double> Value)> s_functions =
        new()
        {
            ["exp"] = (Ops.Exp, Math.Exp),
            ["log"] = (Ops.Log, Math.Log),
            ["sqrt"] = (Ops.Sqrt, Math.Sqrt),
            ["abs"] = (Ops.Abs, Math.Abs),
            ["clamp"] = (x => Ops.Clamp(x, 0.75f, 1.5f), x => Math.Clamp(x, 0.75, 1.5)),
            ["pow"] = (x => Ops.Pow(x, 2.7f), x => Math.Pow(x, 2.7f)),
            ["pow -1"] = (x => Ops.Pow(x, -1), x => 1 / x),
        };

    private static IEnumerable<string> Names => s_functions.Keys;

    [Test]
    public void Values_and_slopes(
        [ValueSource(nameof(s_types))] DType dtype,
        [ValueSource(nameof(Names))] string name,
        [Values] bool autocast
    )
    {
        (Func<Tensor, Tensor> of, Func<double, double> value) = s_functions[name];
        using Tensor x = Leaf(dtype, [3, 67], 0.5f, 2);
        using AutocastScope scope = autocast ? Autocast.Enter(PrecisionPolicy.Float16) : default;
        using Tensor y = of(x).Keep();
        // torch.amp has exp, log and pow in float32, and the others in their inputs' type.
        bool isWide = autocast && name[0] is ('e' or 'l' or 'p');
        Assert.That(y.DType, Is.EqualTo(isWide ? DType.Float32 : dtype));
        Ops.Sum(y).Backward();

        double[] xs = Array.ConvertAll(x.ToFloats(), v => (double)v);
        Assert.That(y.ToFloats(), Is.EqualTo(xs.Select(value)).Within(Tolerance(y.DType) * 8));
        // By central differences, and not at the bounds of clamp.
        const double step = 1e-5;
        float[] slopes = x.Gradient!.ToFloats();
        for (int i = 0; i < xs.Length; i++)
        {
            if (name == "clamp" && (Math.Abs(xs[i] - 0.75) < 0.01 || Math.Abs(xs[i] - 1.5) < 0.01))
                continue;
            double slope = (value(xs[i] + step) - value(xs[i] - step)) / (2 * step);
            Assert.That(slopes[i], Is.EqualTo(slope).Within(Tolerance(dtype) * (8 + 4 * Math.Abs(slope))));
        }
    }

    [Test]
    public void Broadcasting_is_NumPys([ValueSource(nameof(s_types))] DType dtype)
    {
        (Shape A, Shape B, Shape Out)[] shapes =
        [
            ([4, 1, 3], [2, 1], [4, 2, 3]),
            ([3], [5, 2, 3], [5, 2, 3]),
            ([5, 2, 3], [5, 1, 1], [5, 2, 3]),
            ([], [2, 3], [2, 3]),
            ([1, 1, 1], [7], [1, 1, 7]),
            ([2, 1, 2, 1, 2, 1], [3, 1, 3, 1, 3], [2, 3, 2, 3, 2, 3]),
        ];
        var operators = new (
            string Name,
            Func<Tensor, Tensor, Tensor> Of,
            Func<double, double, double> Value,
            Func<double, double, double> SlopeA,
            Func<double, double, double> SlopeB
        )[]
        {
            ("add", (a, b) => Ops.Add(a, b, 2, -3), (a, b) => 2 * a - 3 * b, (_, _) => 2, (_, _) => -3),
            ("multiply", (a, b) => a * b, (a, b) => a * b, (_, b) => b, (a, _) => a),
            ("divide", (a, b) => a / b, (a, b) => a / b, (_, b) => 1 / b, (a, b) => -a / (b * b)),
        };
        foreach ((Shape shapeA, Shape shapeB, Shape whole) in shapes)
        foreach (var one in operators)
        {
            using Tensor a = Leaf(dtype, shapeA, 0.5f, 2);
            using Tensor b = Leaf(dtype, shapeB, 0.5f, 2, seed: 9);
            using Tensor y = one.Of(a, b).Keep();
            Assert.That(y.Shape, Is.EqualTo(whole));
            Ops.Sum(y).Backward();
            float[] xs = a.ToFloats(),
                ys = b.ToFloats();
            var expected = new double[whole.Count];
            double[] gradientA = new double[shapeA.Count],
                gradientB = new double[shapeB.Count];
            for (int i = 0; i < expected.Length; i++)
            {
                (long at, long bt) = (Place(shapeA, whole, i), Place(shapeB, whole, i));
                expected[i] = one.Value(xs[at], ys[bt]);
                gradientA[at] += one.SlopeA(xs[at], ys[bt]);
                gradientB[bt] += one.SlopeB(xs[at], ys[bt]);
            }

            string what = $"{one.Name} of {shapeA} and {shapeB}";
            Assert.That(y.ToFloats(), Is.EqualTo(expected).Within(Tolerance(dtype) * 8), what);
            AssertClose(a.Gradient!, gradientA, dtype, what);
            AssertClose(b.Gradient!, gradientB, dtype, what);
        }
    }

    [Test]
    public void Reductions_over_each_dimension([ValueSource(nameof(s_types))] DType dtype)
    {
        Shape shape = [3, 5, 4];
        for (int dimension = -3; dimension < 3; dimension++)
            foreach (bool keeps in new[] { false, true })
            {
                using Tensor x = Leaf(dtype, shape, -2, 2);
                int d = (dimension + 3) % 3;
                long[] sizes = [.. shape.Dimensions];
                Tensor sum = Ops.Sum(x, dimension, keeps),
                    mean = Ops.Mean(x, dimension, keeps),
                    largest = Ops.Max(x, dimension, keeps);
                long[] rest = keeps
                    ? [.. sizes.Select((size, i) => i == d ? 1 : size)]
                    : [.. sizes.Where((_, i) => i != d)];
                float[] xs = x.ToFloats();
                long inner = sizes[(d + 1)..].Aggregate(1L, (product, size) => product * size);
                double[][] lines =
                [
                    .. Enumerable
                        .Range(0, xs.Length)
                        .Where(i => i / inner % sizes[d] == 0)
                        .Select(i =>
                            Enumerable.Range(0, (int)sizes[d]).Select(k => (double)xs[i + k * inner]).ToArray()
                        ),
                ];
                foreach (Tensor y in new[] { sum, mean, largest })
                    Assert.That((y.Shape, y.DType), Is.EqualTo((new Shape(rest), dtype)));
                AssertClose(sum, [.. lines.Select(line => line.Sum())], dtype, "sum");
                AssertClose(mean, [.. lines.Select(line => line.Average())], dtype, "mean");
                AssertClose(largest, [.. lines.Select(line => line.Max())], dtype, "max");
            }
    }

    [Test]
    public void Equal_largest_elements_share_the_gradient_and_NaN_is_the_largest()
    {
        using Tensor x = Tensor.From(Device, new[] { 1f, 3, 3, 2, 5, 4, 0, 0 }, [2, 4]);
        x.RequiresGrad = true;
        Tensor y = Ops.Max(x, 1);
        Ops.Sum(y * Tensor.From(Device, new[] { 10f, 7 }, [2])).Backward();
        Assert.That(y.Shape.ToString(), Is.EqualTo("[2]"));
        Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(new[] { 0f, 5, 5, 0, 7, 0, 0, 0 }));

        using Tensor odd = Tensor.From(Device, new[] { 1f, float.NaN, float.PositiveInfinity, 2 }, [2, 2]);
        Assert.That(Ops.Max(odd, 1).ToFloats(), Is.EqualTo(new[] { float.NaN, float.PositiveInfinity }));
    }

    [Test]
    public void Parts_and_their_concatenation_are_the_whole([ValueSource(nameof(s_types))] DType dtype)
    {
        Shape shape = [3, 7, 4];
        for (int dimension = -3; dimension < 3; dimension++)
        {
            using Tensor x = Leaf(dtype, shape, -2, 2);
            Tensor[] parts = Ops.Split(x, 2, dimension);
            long size = shape[dimension];
            Assert.That(parts, Has.Length.EqualTo((size + 1) / 2));
            Assert.That(parts.Sum(part => part.Shape[dimension]), Is.EqualTo(size));
            Tensor whole = Ops.Concat(parts, dimension);
            Assert.That((whole.Shape, whole.DType), Is.EqualTo((shape, dtype)));
            Assert.That(whole.ToFloats(), Is.EqualTo(x.ToFloats()));
            Tensor narrow = Ops.Narrow(x, dimension, 1, 2);
            Assert.That(
                narrow.ToFloats(),
                Is.EqualTo(
                    Ops.Concat([Ops.Narrow(x, dimension, 1, 1), Ops.Narrow(x, dimension, 2, 1)], dimension).ToFloats()
                )
            );

            // Each element once, and those of the narrow part once more.
            (Ops.Sum(whole) + Ops.Sum(narrow)).Backward();
            long inner = new Shape(shape.Dimensions[((dimension + 3) % 3 + 1)..]).Count;
            double[] expected = [.. Enumerable.Range(0, 84).Select(i => i / inner % size is 1 or 2 ? 2.0 : 1.0)];
            Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(expected));
        }
    }

    [Test]
    public void Nothing_and_mixed_types_concatenate()
    {
        using Tensor none = Tensor.Zeros(Device, DType.Float32, [2, 0]);
        using Tensor half = Tensor.Zeros(Device, DType.Float16, [2, 3]);
        using Tensor brain = Tensor.Zeros(Device, DType.BFloat16, [2, 1]);
        Assert.That(Ops.Concat([half, half], 1).DType, Is.EqualTo(DType.Float16));
        Tensor mixed = Ops.Concat([none, half, brain], -1);
        Assert.That($"{mixed.DType} {mixed.Shape}", Is.EqualTo("Float32 [2, 4]"));
        Assert.That(Ops.Split(none, 1, 1), Is.Empty);
        Assert.That(Ops.Sum(none, 1).ToFloats(), Is.EqualTo(new float[2]));
        Assert.That(Ops.Mean(none, 1).ToFloats(), Is.All.NaN);
        Assert.That(Ops.Sum(none, 0).Count, Is.Zero);
    }

    [Test]
    public void What_does_not_fit_is_named()
    {
        using Tensor x = Tensor.Zeros(Device, DType.Float32, [2, 3]);
        using Tensor y = Tensor.Zeros(Device, DType.Float32, [4]);
        using Tensor seven = Tensor.Zeros(Device, DType.Float32, [1, 1, 1, 1, 1, 1, 2]);
        using Tensor indices = Tensor.Zeros(Device, DType.Int32, [2, 3]);
        using Tensor none = Tensor.Zeros(Device, DType.Float32, [2, 0]);

        foreach (
            Func<Tensor, Tensor, Tensor> one in new Func<Tensor, Tensor, Tensor>[]
            {
                (a, b) => a + b,
                (a, b) => a * b,
                (a, b) => a / b,
            }
        )
        {
            Assert.That(() => one(x, y), Throws.ArgumentException.With.Message.Contains("one of them is 1"));
            Assert.That(() => one(x, indices), Throws.ArgumentException.With.Message.Contains("floating-point"));
        }

        Assert.That(() => x / seven, Throws.ArgumentException.With.Message.Contains("6 dimensions"));
        Assert.That(() => Ops.Exp(indices), Throws.ArgumentException.With.Message.Contains("floating-point"));
        Assert.That(() => Ops.Exp(null!), Throws.ArgumentNullException);
        Assert.That(() => Ops.Clamp(x, float.NaN), Throws.ArgumentException);
        Assert.That(() => Ops.Pow(x, float.PositiveInfinity), Throws.TypeOf<ArgumentOutOfRangeException>());
        foreach (int dimension in new[] { 2, -3, int.MinValue })
        {
            Assert.That(() => Ops.Sum(x, dimension), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => Ops.Max(x, dimension), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => Ops.Narrow(x, dimension, 0, 1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => Ops.Concat([x, x], dimension), Throws.TypeOf<ArgumentOutOfRangeException>());
        }

        Assert.That(() => Ops.Max(none, 1), Throws.ArgumentException.With.Message.Contains("must have an element"));
        Assert.That(() => Ops.Narrow(x, 1, 2, 2), Throws.ArgumentException.With.Message.Contains("from 2 on"));
        Assert.That(() => Ops.Narrow(x, 1, -1, 2), Throws.ArgumentException);
        Assert.That(() => Ops.Narrow(x, 1, 1, long.MaxValue), Throws.ArgumentException);
        Assert.That(() => Ops.Split(x, 0), Throws.ArgumentException.With.Message.Contains("1 index"));
        Assert.That(() => Ops.Concat([]), Throws.ArgumentException);
        Assert.That(() => Ops.Concat([x, y]), Throws.ArgumentException.With.Message.Contains("must be the same"));
        Assert.That(() => Ops.Concat([x, none], 0), Throws.ArgumentException.With.Message.Contains("must be the same"));
    }

    private static long Place(Shape shape, Shape whole, long index)
    {
        long place = 0,
            stride = 1;
        for (int d = whole.Rank - 1; d >= 0; d--)
        {
            int own = d - (whole.Rank - shape.Rank);
            if (own >= 0)
            {
                place += shape[own] == 1 ? 0 : index % whole[d] * stride;
                stride *= shape[own];
            }

            index /= whole[d];
        }

        return place;
    }

    private static double Tolerance(DType dtype) =>
        dtype switch
        {
            DType.Float32 => 1e-6,
            DType.Float16 => 1e-3,
            _ => 8e-3,
        };

    private static void AssertClose(Tensor found, double[] expected, DType dtype, string what)
    {
        float[] values = found.ToFloats();
        Assert.That(values, Has.Length.EqualTo(expected.Length), what);
        for (int i = 0; i < values.Length; i++)
            Assert.That(
                values[i],
                Is.EqualTo(expected[i]).Within(Tolerance(dtype) * (4 + 4 * Math.Abs(expected[i]))),
                what
            );
    }

    private Tensor Leaf(DType dtype, Shape shape, float low, float high, int seed = 3)
    {
        var random = new Random(seed);
        float[] values =
        [
            .. Enumerable.Range(0, (int)shape.Count).Select(_ => low + (high - low) * random.NextSingle()),
        ];
        Tensor leaf = dtype switch
        {
            DType.Float32 => Tensor.From(Device, values, shape),
            DType.Float16 => Tensor.From(Device, Array.ConvertAll(values, v => (Half)v), shape),
            _ => Tensor.From(Device, Array.ConvertAll(values, v => (BFloat16)v), shape),
        };
        leaf.RequiresGrad = true;
        return leaf;
    }
}
