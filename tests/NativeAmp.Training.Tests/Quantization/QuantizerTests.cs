using NativeAmp.Training.Quantization;

namespace NativeAmp.Training.Tests.Quantization;

[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class QuantizerTests(DeviceKind deviceKind)
{
    private static readonly QuantizationScheme[] Schemes =
    [
        new() { Kind = QuantizationKind.Int8 },
        new() { Kind = QuantizationKind.Int8Dynamic },
        new() { Kind = QuantizationKind.Int8, Method = QuantizationMethod.Hqq },
        new() { Kind = QuantizationKind.Int4, Group = 32 },
        new()
        {
            Kind = QuantizationKind.Int4,
            Group = 64,
            Method = QuantizationMethod.Hqq,
        },
        new() { Kind = QuantizationKind.Int4Dynamic, Group = 32 },
        new() { Kind = QuantizationKind.Int4Dynamic, Group = 64 },
    ];

    [TestCaseSource(nameof(Schemes))]
    public void A_linear_layer_computes_with_the_values_of_its_integers(QuantizationScheme scheme)
    {
        using Device device = deviceKind.Open();
        using var layer = new Linear(70, 9, random: new RandomGenerator(1)).To(device);
        float[] weight = layer.Weight.ToArray<float>();
        float[] bias = layer.Bias!.ToArray<float>();
        float[] input = Values(5 * 70, 2);
        Quantizer.Quantize(layer, scheme);

        float[] output = Forward(layer, device, input, [5, 70]);

        float[] rounded = layer.Quantized!.Dequantize();
        double worst = 0;
        for (int row = 0; row < 5; row++)
        {
            float[] x = input[(row * 70)..((row + 1) * 70)];
            if (scheme.Kind == QuantizationKind.Int8Dynamic)
                x = Coded(x, 70);
            if (scheme.Kind == QuantizationKind.Int4Dynamic)
                x = Coded(x, scheme.Group);
            for (int column = 0; column < 9; column++)
            {
                double sum = bias[column];
                for (int i = 0; i < 70; i++)
                    sum += (double)x[i] * rounded[column * 70 + i];
                Assert.That(output[row * 9 + column], Is.EqualTo(sum).Within(1e-5));
            }
        }

        for (int i = 0; i < weight.Length; i++)
            worst = Math.Max(worst, Math.Abs(weight[i] - rounded[i]));
        float step = layer.Quantized.Scales.Max(MathF.Abs);
        // Half a step; with 4 bits the code 8, which is not there, is a whole one; HQQ may clip more.
        Assert.That(worst, Is.LessThanOrEqualTo(step * (layer.Quantized.Bits == 4 ? 3 : 0.51)));

        // Values of 8 bits, with a scale for each group.
        static float[] Coded(float[] values, int group) =>
            [
                .. values
                    .Chunk(group)
                    .SelectMany(part =>
                    {
                        float scale = part.Max(MathF.Abs) / 127;
                        return part.Select(value => MathF.Round(value / scale) * scale);
                    }),
            ];
    }

    [Test]
    public void Codes_are_laid_out_as_the_class_says()
    {
        using Device device = deviceKind.Open();
        using var layer = new Linear(33, 1, bias: false, random: new RandomGenerator(1)).To(device);
        float[] weight = new float[33];
        (weight[0], weight[1], weight[2], weight[32]) = (-0.8f, 0.7f, 0.1f, 3);
        layer.Weight.CopyFrom<float>(weight);

        Quantizer.Quantize(layer, new QuantizationScheme { Kind = QuantizationKind.Int4, Group = 32 });

        QuantizedTensor codes = layer.Quantized!;
        Assert.Multiple(() =>
        {
            Assert.That(codes.Scales, Is.EqualTo(new[] { 0.8f / 8, 3f / -8 }));
            Assert.That(codes.Codes[0], Is.EqualTo(0 | 15 << 4), "codes −8 and 7");
            Assert.That(codes.Codes[1], Is.EqualTo(9 | 8 << 4), "codes 1 and 0");
            Assert.That(codes.Codes[16], Is.EqualTo(0 | 8 << 4), "code −8, and one after the row's end");
            Assert.That(codes.Level(0, 32), Is.EqualTo(-8));
            Assert.That(codes.Dequantize()[32], Is.EqualTo(3));
        });
    }

    [TestCase(QuantizationKind.Int8Dynamic)]
    [TestCase(QuantizationKind.Int4Dynamic)]
    public void A_row_has_the_same_outputs_among_any_number_of_rows(QuantizationKind kind)
    {
        const int Inputs = 70;
        const int Outputs = 133;
        const int Rows = 29;
        using Device device = deviceKind.Open();
        using var layer = new Linear(Inputs, Outputs, random: new RandomGenerator(1)).To(device);
        Quantizer.Quantize(layer, new QuantizationScheme { Kind = kind });
        float[] input = Values(Rows * Inputs, 2);

        float[] all = Forward(layer, device, input, [Rows, Inputs]);

        for (int row = 0; row < Rows; row++)
        {
            float[] alone = Forward(layer, device, input[(row * Inputs)..((row + 1) * Inputs)], [1, Inputs]);
            Assert.That(alone, Is.EqualTo(all[(row * Outputs)..((row + 1) * Outputs)]), $"row {row}");
        }
    }

    [TestCase(QuantizationKind.Int8Dynamic, 1024 * 512)]
    [TestCase(QuantizationKind.Int4Dynamic, 1024 * 512 / 2)]
    public void A_layer_has_one_copy_of_its_codes_on_the_device(QuantizationKind kind, long codes)
    {
        using Device device = deviceKind.Open();
        using var layer = new Linear(1024, 512, bias: false, random: new RandomGenerator(1)).To(device);
        Quantizer.Quantize(layer, new QuantizationScheme { Kind = kind });

        DeviceMemoryStatistics statistics = device.MemoryStatistics;

        Assert.Multiple(() =>
        {
            // With the scales, the sums of rows, and what the allocator rounds up.
            Assert.That(statistics.LiveBytes(MemoryKind.Parameters), Is.InRange(codes, codes + codes / 4));
            Assert.That(statistics.LiveBytes(MemoryKind.Workspace), Is.LessThan(codes / 2));
        });
    }

    [Test]
    public void The_report_has_the_noise_and_the_bytes()
    {
        using Device device = deviceKind.Open();
        using Sequential model = Models.Mlp(new RandomGenerator(3), inputs: 100).To(device);
        float[] weight = ((Linear)model[1]).Weight.ToArray<float>();

        QuantizationReport report = Quantizer.Quantize(model, new QuantizationScheme { Keep = ["3"] });

        Assert.That(report.Layers.Select(layer => layer.Name), Is.EqualTo(new[] { "1" }));
        double signal = weight.Sum(value => (double)value * value);
        double noise = weight
            .Zip(((Linear)model[1]).Quantized!.Dequantize())
            .Sum(pair => Math.Pow((double)pair.First - pair.Second, 2));
        Assert.Multiple(() =>
        {
            Assert.That(report.Layers[0].SignalToNoise, Is.EqualTo(10 * Math.Log10(signal / noise)).Within(1e-9));
            Assert.That(report.BytesBefore, Is.EqualTo(4 * (256 * 101 + 10 * 257)));
            Assert.That(report.BytesAfter, Is.EqualTo(256 * 100 + 4 * (256 + 256) + 4 * 10 * 257));
            Assert.That(model.State().Select(each => each.Name), Does.Not.Contain("1.weight"));
            Assert.That(((Linear)model[3]).Quantized, Is.Null);
        });
    }

    [Test]
    public void Hqq_has_no_larger_norm_of_errors_than_rounding_to_nearest()
    {
        using Device device = deviceKind.Open();
        double Norm(QuantizationMethod method)
        {
            using var layer = new Linear(256, 32, random: new RandomGenerator(5)).To(device);
            layer.Weight.CopyFrom<float>(Values(256 * 32, 6));
            float[] weight = layer.Weight.ToArray<float>();
            Quantizer.Quantize(layer, new QuantizationScheme { Kind = QuantizationKind.Int4, Method = method });
            return weight
                .Zip(layer.Quantized!.Dequantize())
                .Sum(pair => Math.Pow(Math.Abs((double)pair.First - pair.Second), 0.7));
        }

        Assert.That(Norm(QuantizationMethod.Hqq), Is.LessThan(0.99 * Norm(QuantizationMethod.Rtn)));
    }

    [Test]
    public void Convolutions_compute_in_float_with_the_rounded_weights()
    {
        using Device device = deviceKind.Open();
        using var layer = new Conv2d(3, 4, kernel: 3, random: new RandomGenerator(1)).To(device);
        float[] before = layer.Weight.ToArray<float>();

        Quantizer.Quantize(layer, new QuantizationScheme());

        Assert.Multiple(() =>
        {
            Assert.That(layer.Weight.ToArray<float>(), Is.EqualTo(layer.Quantized!.Dequantize()));
            Assert.That(layer.Weight.ToArray<float>(), Is.Not.EqualTo(before));
            Assert.That(layer.Quantized.Columns, Is.EqualTo(27));
        });
    }

    [Test]
    public void A_whole_gpt_computes_and_differs_little()
    {
        using Device device = deviceKind.Open();
        var options = new GptOptions
        {
            Context = 8,
            Width = 64,
            Heads = 2,
            Blocks = 2,
        };
        using Gpt model = Models.Gpt(options, new RandomGenerator(2)).To(device);
        int[] tokens = [1, 2, 3, 4, 5, 6, 7, 8];
        float[] Logits()
        {
            using NoGrad scope = NoGrad.Enter();
            return model.Forward(Tensor.From<int>(device, tokens, [1, 8])).ToArray<float>();
        }

        float[] exact = Logits();
        Quantizer.Quantize(model, new QuantizationScheme { Kind = QuantizationKind.Int8Dynamic });
        float[] rounded = Logits();

        double error = Math.Sqrt(exact.Zip(rounded).Average(pair => Math.Pow(pair.First - pair.Second, 2)));
        double size = Math.Sqrt(exact.Average(value => (double)value * value));
        Assert.That(error, Is.GreaterThan(0).And.LessThan(0.03 * size));
    }

    [Test]
    public void What_cannot_be_quantised_is_refused_and_nothing_changes()
    {
        using Device device = deviceKind.Open();
        using Sequential model = Models.Mlp(new RandomGenerator(3), inputs: 8).To(device);
        using Sequential host = Models.Mlp(new RandomGenerator(3), inputs: 8);
        using var norm = new LayerNorm(4).To(device);
        Assert.Multiple(() =>
        {
            Assert.That(
                () => Quantizer.Quantize(model, new QuantizationScheme { Keep = ["2"] }),
                Throws.ArgumentException.With.Message.Contains("'2'").And.Message.Contains("'1', '3'")
            );
            Assert.That(
                () => Quantizer.Quantize(model, new QuantizationScheme { Kind = QuantizationKind.Int4, Group = 48 }),
                Throws.InstanceOf<ArgumentException>()
            );
            Assert.That(
                () => Quantizer.Quantize(model, new QuantizationScheme { Keep = ["1", "3"] }),
                Throws.InvalidOperationException
            );
            Assert.That(() => Quantizer.Quantize(norm, new QuantizationScheme()), Throws.InvalidOperationException);
            Assert.That(
                () => Quantizer.Quantize(host, new QuantizationScheme()),
                Throws.InvalidOperationException.With.Message.Contains("CPU")
            );
        });
        float[] weight = ((Linear)model[3]).Weight.ToArray<float>();
        weight[5] = float.NaN;
        ((Linear)model[3]).Weight.CopyFrom<float>(weight);
        Assert.That(
            () => Quantizer.Quantize(model, new QuantizationScheme()),
            Throws.ArgumentException.With.Message.Contains("'3'")
        );
        Assert.That(((Linear)model[1]).Quantized, Is.Null);
        weight[5] = 0;
        ((Linear)model[3]).Weight.CopyFrom<float>(weight);
        using (var optimizer = new FusedAdam(model.Parameters(), new AdamOptions()))
            Assert.That(() => Quantizer.Quantize(model, new QuantizationScheme()), Throws.InvalidOperationException);

        Quantizer.Quantize(model, new QuantizationScheme());

        Assert.Multiple(() =>
        {
            Assert.That(() => Quantizer.Quantize(model, new QuantizationScheme()), Throws.InvalidOperationException);
            Assert.That(() => ((Linear)model[1]).Weight, Throws.InvalidOperationException);
            Assert.That(
                () => model.Forward(Tensor.From<float>(device, new float[8], [1, 8])),
                Throws.InvalidOperationException.With.Message.Contains("NoGrad")
            );
            Assert.That(() => Forward(model, device, new float[7], [1, 7]), Throws.ArgumentException);
            Assert.That(() => Forward(model, device, [], [0, 8]), Throws.Nothing);
        });
    }

    private static float[] Forward(Module model, Device device, float[] input, Shape shape)
    {
        using NoGrad scope = NoGrad.Enter();
        return model.Forward(Tensor.From<float>(device, input, shape)).ToArray<float>();
    }

    internal static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() + random.NextDouble() - 1))];
    }
}
