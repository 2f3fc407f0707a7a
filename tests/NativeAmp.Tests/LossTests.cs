namespace NativeAmp.Tests;

/// <summary>Family 2: losses in float32 and their gradients, already scaled, in one pass.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class LossTests(DeviceKind kind)
{
    private const float Scale = 1024,
        Upstream = 0.75f;

    private static readonly (int Rows, int Classes)[] Shapes =
    [
        (0, 3),
        (1, 1),
        (3, 2),
        (7, 10),
        (5, 15),
        (4, 16),
        (9, 17),
        (2, 67),
        (33, 256),
        (3, 1031),
        (1, 20000),
    ];

    [Test]
    public void Cross_entropy_is_that_of_a_plain_loop_in_double(
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType logitsType,
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType gradientType,
        [ValueSource(typeof(Sizes), nameof(Sizes.Misalignments))] int misalignment,
        [Values] bool mean
    )
    {
        using var device = kind.Open(2);
        using var factors = new GuardedTensor(device, DType.Float32, [Scale, Upstream]);
        foreach (var (rows, classes) in Shapes)
        {
            using var logits = new GuardedTensor(
                device,
                logitsType,
                Sizes.Numbers(rows * classes, seed: rows),
                misalignment
            );
            using var gradient = new GuardedTensor(device, gradientType, rows * classes, (misalignment + 1) % 4);
            using var loss = new GuardedTensor(device, DType.Float32, 1);
            int[] labels = [.. Enumerable.Range(0, rows).Select(r => r % 4 == 3 ? -100 : r * 7 % classes)];
            using var nativeLabels = new GuardedTensor(
                device,
                DType.Int32,
                [.. labels.Select(l => (float)l)],
                misalignment
            );

            AmpKernels.CrossEntropy(
                device,
                new CrossEntropyArguments
                {
                    Logits = logits.Cell,
                    Labels = nativeLabels.Pointer,
                    Rows = rows,
                    Classes = classes,
                    Mean = mean,
                    Loss = loss.Pointer,
                    Gradient = gradient.Cell,
                    Scale = factors.Pointer,
                    Upstream = factors.Pointer + sizeof(float),
                }
            );

            var expected = LossOracle.CrossEntropy(logits.ToArray(), labels, classes, -100, mean, Scale * Upstream);
            Near.Assert(loss.ToArray(), [expected.Loss], 1e-5, 1e-6, $"loss of {rows} x {classes}");
            AssertGradient(gradient, expected.Gradient, $"gradient of {rows} x {classes}");
            gradient.AssertCanariesAreAlive();
            loss.AssertCanariesAreAlive();
        }
    }

    [Test]
    public void A_label_out_of_range_makes_its_row_NaN_and_no_other()
    {
        using var device = kind.Open(1);
        using var logits = new GuardedTensor(device, DType.Float32, [1, 2, 3, 4]);
        using var gradient = new GuardedTensor(device, DType.Float32, 4);
        using var loss = new GuardedTensor(device, DType.Float32, 1);
        using var labels = new GuardedTensor(device, DType.Int32, [2, 0]);

        AmpKernels.CrossEntropy(
            device,
            new CrossEntropyArguments
            {
                Logits = logits.Cell,
                Labels = labels.Pointer,
                Rows = 2,
                Classes = 2,
                Loss = loss.Pointer,
                Gradient = gradient.Cell,
            }
        );

        Assert.That(loss[0], Is.NaN);
        Assert.That(gradient.ToArray()[..2], Is.All.NaN);
        Assert.That(gradient.ToArray()[2..].All(float.IsFinite));
    }

    [Test]
    public void Logits_that_would_overflow_an_exponential_do_not()
    {
        using var device = kind.Open(1);
        using var logits = new GuardedTensor(device, DType.Float32, [1e30f, -1e30f]);
        using var loss = new GuardedTensor(device, DType.Float32, 1);
        using var labels = new GuardedTensor(device, DType.Int32, [0]);

        AmpKernels.CrossEntropy(
            device,
            new CrossEntropyArguments
            {
                Logits = logits.Cell,
                Labels = labels.Pointer,
                Rows = 1,
                Classes = 2,
                Loss = loss.Pointer,
            }
        );

        Assert.That(loss[0], Is.Zero);
    }

    [Test]
    public void Mean_squared_error_is_that_of_a_plain_loop_in_double(
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType predictionType,
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType gradientType,
        [ValueSource(typeof(Sizes), nameof(Sizes.Misalignments))] int misalignment,
        [Values] bool mean
    )
    {
        using var device = kind.Open(2);
        using var factors = new GuardedTensor(device, DType.Float32, [Scale, Upstream]);
        foreach (int length in Sizes.LengthsOn(kind))
        {
            using var prediction = new GuardedTensor(
                device,
                predictionType,
                Sizes.Numbers(length, seed: length),
                misalignment
            );
            using var target = new GuardedTensor(
                device,
                DType.Float32,
                Sizes.Numbers(length, seed: length + 1),
                (misalignment + 2) % 4
            );
            using var gradient = new GuardedTensor(device, gradientType, length, (misalignment + 1) % 4);
            using var loss = new GuardedTensor(device, DType.Float32, 1);

            AmpKernels.MeanSquaredError(
                device,
                new MeanSquaredErrorArguments
                {
                    Prediction = prediction.Cell,
                    Target = target.Cell,
                    Count = length,
                    Mean = mean,
                    Loss = loss.Pointer,
                    Gradient = gradient.Cell,
                    Scale = factors.Pointer,
                    Upstream = factors.Pointer + sizeof(float),
                }
            );

            var expected = LossOracle.MeanSquaredError(prediction.ToArray(), target.ToArray(), mean, Scale * Upstream);
            Near.Assert(loss.ToArray(), [expected.Loss], 1e-5, 0, $"loss of {length}");
            AssertGradient(gradient, expected.Gradient, $"gradient of {length}");
            gradient.AssertCanariesAreAlive();
        }
    }

    [Test]
    public void Scaling_multiplies_in_float32_and_rounds_once(
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType from,
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType to,
        [ValueSource(typeof(Sizes), nameof(Sizes.Misalignments))] int misalignment
    )
    {
        using var device = kind.Open(2);
        using var factor = new GuardedTensor(device, DType.Float32, [1f / 3]);
        foreach (int length in Sizes.LengthsOn(kind))
        {
            using var source = new GuardedTensor(device, from, Sizes.Numbers(length, seed: length), misalignment);
            using var destination = new GuardedTensor(device, to, length, (misalignment + 1) % 4);
            using var expected = new GuardedTensor(null, to, [.. source.ToArray().Select(x => x * (1f / 3))]);

            AmpKernels.Scale(device, destination.Cell, source.Cell, length, factor.Pointer);

            Assert.That(destination.Bytes.SequenceEqual(expected.Bytes), $"length {length}");
            destination.AssertCanariesAreAlive();
        }
    }

    [Test]
    public void Threads_and_instruction_sets_do_not_change_a_bit(
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType dtype
    )
    {
        const int Classes = 61;
        int rows = kind.IsEmulated() ? 280 : 700; // more than a chunk
        Everywhere.SameBits(
            kind,
            device =>
            {
                using var x = new GuardedTensor(device, dtype, Sizes.Numbers(rows * Classes, seed: 1), misalignment: 1);
                using var y = new GuardedTensor(device, dtype, Sizes.Numbers(rows * Classes, seed: 2));
                using var labels = new GuardedTensor(
                    device,
                    DType.Int32,
                    [.. Enumerable.Range(0, rows).Select(r => (float)(r % Classes))]
                );
                using var loss = new GuardedTensor(device, DType.Float32, 2);
                using var first = new GuardedTensor(device, dtype, rows * Classes);
                using var second = new GuardedTensor(device, dtype, rows * Classes, misalignment: 3);
                AmpKernels.CrossEntropy(
                    device,
                    new CrossEntropyArguments
                    {
                        Logits = x.Cell,
                        Labels = labels.Pointer,
                        Rows = rows,
                        Classes = Classes,
                        Loss = loss.Pointer,
                        Gradient = first.Cell,
                    }
                );
                AmpKernels.MeanSquaredError(
                    device,
                    new MeanSquaredErrorArguments
                    {
                        Prediction = x.Cell,
                        Target = y.Cell,
                        Count = rows * Classes,
                        Loss = loss.Pointer + sizeof(float),
                        Gradient = second.Cell,
                    }
                );
                return [.. loss.Bytes, .. first.Bytes, .. second.Bytes];
            }
        );
    }

    // Rounded once: half of the last place of the type, and a few of float32's.
    private static void AssertGradient(GuardedTensor gradient, double[] expected, string what)
    {
        double relative =
            gradient.DType switch
            {
                DType.Float16 => Math.ScaleB(1, -11),
                DType.BFloat16 => Math.ScaleB(1, -8),
                _ => 0,
            } + 1e-5;
        Near.Assert(gradient.ToArray(), expected, relative, 1e-7 * Scale, what);
    }
}
