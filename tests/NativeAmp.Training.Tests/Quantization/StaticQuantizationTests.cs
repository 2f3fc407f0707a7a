using NativeAmp.Training.Quantization;

namespace NativeAmp.Training.Tests.Quantization;

/// <summary>Layers with one scale and zero point for their inputs, against sums over the codes themselves.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class StaticQuantizationTests(DeviceKind deviceKind)
{
    private static readonly QuantizationScheme Scheme = new() { Kind = QuantizationKind.Int8Static };

    [TestCase(false, 0)]
    [TestCase(true, -128)]
    public void A_linear_layer_computes_with_the_values_of_its_codes(bool positive, int zeroPoint)
    {
        using Device device = deviceKind.Open();
        using var layer = new Linear(70, 9, random: new RandomGenerator(1)).To(device);
        float[] bias = layer.Bias!.ToArray<float>();
        float[] input = Input(5 * 70, positive);

        Quantizer.Quantize(layer, Scheme, model => Forward(model, device, input, [5, 70]));

        float[] output = Forward(layer, device, input, [5, 70]);
        float[] weight = layer.Quantized!.Dequantize();
        double[] rounded = Rounded(layer.InputCodes!, input);
        Assert.That(layer.InputCodes!.ZeroPoint, Is.EqualTo(zeroPoint).Within(positive ? 0 : 25));
        for (int row = 0; row < 5; row++)
        {
            for (int column = 0; column < 9; column++)
            {
                double sum = bias[column];
                for (int i = 0; i < 70; i++)
                    sum += rounded[row * 70 + i] * weight[column * 70 + i];
                Assert.That(output[row * 9 + column], Is.EqualTo(sum).Within(1e-5));
            }
        }
    }

    [Test]
    public void A_convolution_computes_with_the_values_of_its_codes(
        [Values(1, 2)] int groups,
        [Values(1, 2)] int stride,
        [Values] bool relu
    )
    {
        using Device device = deviceKind.Open();
        using var layer = new Conv2d(
            4,
            6,
            kernel: 3,
            stride: stride,
            padding: 2,
            dilation: 2,
            groups: groups,
            random: new RandomGenerator(1)
        ).To(device);
        float[] bias = layer.Bias!.ToArray<float>();
        float[] input = Input(2 * 4 * 7 * 7, positive: false);
        Activation activation = relu ? Activation.Relu : Activation.None;

        Quantizer.Quantize(layer, Scheme, model => Forward(model, device, input, [2, 4, 7, 7]));

        using NoGrad scope = NoGrad.Enter();
        float[] output = layer.Forward(Tensor.From<float>(device, input, [2, 4, 7, 7]), activation).ToArray<float>();
        float[] weight = layer.Quantized!.Dequantize();
        double[] rounded = Rounded(layer.InputCodes!, input);
        int size = (7 + 4 - 4 - 1) / stride + 1;
        Assert.That(output, Has.Length.EqualTo(2 * 6 * size * size));
        for (int o = 0; o < output.Length; o++)
        {
            (int image, int channel) = (o / (6 * size * size), o / (size * size) % 6);
            (int y, int x) = (o / size % size, o % size);
            double sum = bias[channel];
            for (int i = 0; i < 4 / groups * 9; i++)
            {
                (int from, int row, int column) = (i / 9, y * stride - 2 + i / 3 % 3 * 2, x * stride - 2 + i % 3 * 2);
                int plane = image * 4 + channel / (6 / groups) * (4 / groups) + from;
                if (row is >= 0 and < 7 && column is >= 0 and < 7)
                    sum += rounded[(plane * 7 + row) * 7 + column] * weight[channel * (4 / groups) * 9 + i];
            }

            Assert.That(output[o], Is.EqualTo(relu ? Math.Max(0, sum) : sum).Within(1e-5));
        }
    }

    [Test]
    public void Observers_choose_their_ranges()
    {
        // 400,000 values from 0 to 1, one of 2 and one of -1.
        float[] values = [.. Enumerable.Range(1, 400_000).Select(i => i / 400_000f), 2, -1];
        InputCodes minMax = Codes(values, QuantizationObserver.MinMax);
        InputCodes percentile = Codes(values, QuantizationObserver.Percentile, 99.999);
        InputCodes all = Codes(values, QuantizationObserver.Percentile, 100);
        InputCodes mse = Codes(values, QuantizationObserver.Mse);

        Assert.Multiple(() =>
        {
            Assert.That(minMax.Scale, Is.EqualTo(3f / 255).Within(1e-6));
            Assert.That(minMax.ZeroPoint, Is.EqualTo(-128 + 85));
            Assert.That(all, Is.EqualTo(minMax));
            // Four values are left out at each end.
            Assert.That(percentile.Scale, Is.EqualTo(1f / 255).Within(1).Percent);
            Assert.That(percentile.ZeroPoint, Is.EqualTo(-128));
            Assert.That(mse.Scale, Is.LessThan(minMax.Scale));
            Assert.That(Error(mse, values), Is.LessThan(0.9 * Error(minMax, values)));
            Assert.That(Error(mse, values), Is.LessThan(1.02 * Error(percentile, values)));
            foreach (float scale in (float[])[0.5f, 0.8f, 1.25f, 2])
                Assert.That(
                    Error(mse, values),
                    Is.LessThan(1.02 * Error(new InputCodes(mse.Scale * scale, mse.ZeroPoint), values))
                );
        });
    }

    [Test]
    public void A_range_does_not_depend_on_the_order_in_which_values_come()
    {
        float[] values = [.. QuantizerTests.Values(4000, 1).Select((x, i) => x * MathF.Pow(10, i % 7 - 3))];
        float[] sorted = [.. values.Order()];
        float[] reversed = [.. sorted.Reverse()];
        foreach (QuantizationObserver observer in Enum.GetValues<QuantizationObserver>())
        {
            InputCodes once = Codes(values, observer);
            Assert.That(Codes(sorted, observer, pieces: 100), Is.EqualTo(once));
            Assert.That(Codes(reversed, observer, pieces: 37), Is.EqualTo(once));
        }
    }

    [Test]
    public void A_constant_or_tiny_or_huge_input_has_codes()
    {
        Assert.Multiple(() =>
        {
            foreach (float value in (float[])[1e-45f, -1e-40f, 1, -7, float.MaxValue])
            {
                foreach (QuantizationObserver observer in Enum.GetValues<QuantizationObserver>())
                {
                    InputCodes codes = Codes([value, value, float.NaN, float.PositiveInfinity], observer);
                    double rounded = Rounded(codes, [value])[0];
                    Assert.That(rounded, Is.EqualTo(value).Within(Math.Max(Math.Abs(value) * 1e-2, 1.2e-38)));
                }
            }
        });
    }

    [Test]
    public void A_cnn_and_a_gpt_differ_little()
    {
        using Device device = deviceKind.Open();
        using Sequential cnn = Models.Cnn(new RandomGenerator(1), 8, 8).To(device);
        var options = new GptOptions
        {
            Context = 8,
            Width = 64,
            Heads = 2,
            Blocks = 2,
        };
        using Gpt gpt = Models.Gpt(options, new RandomGenerator(2)).To(device);
        float[] images = Input(20 * 64, positive: true);

        double Error(Module model, Func<float[]> compute)
        {
            float[] exact = compute();
            Quantizer.Quantize(model, Scheme, _ => compute());
            float[] rounded = compute();
            double error = Math.Sqrt(exact.Zip(rounded).Average(pair => Math.Pow(pair.First - pair.Second, 2)));
            return error / Math.Sqrt(exact.Average(value => (double)value * value));
        }

        Assert.Multiple(() =>
        {
            Assert.That(
                Error(cnn, () => Forward(cnn, device, images, [20, 1, 8, 8])),
                Is.GreaterThan(0).And.LessThan(0.03)
            );
            Assert.That(
                Error(
                    gpt,
                    () =>
                    {
                        using NoGrad scope = NoGrad.Enter();
                        return gpt.Forward(Tensor.From<int>(device, [1, 2, 3, 4, 5, 6, 7, 8], [1, 8])).ToFloats();
                    }
                ),
                Is.GreaterThan(0).And.LessThan(0.03)
            );
        });
    }

    [Test]
    public void Gptq_and_static_codes_look_at_the_same_inputs()
    {
        using Device device = deviceKind.Open();
        using Sequential model = Models.Mlp(new RandomGenerator(3), inputs: 16).To(device);
        float[] input = Input(30 * 16, positive: true);
        QuantizationReport report = Quantizer.Quantize(
            model,
            Scheme with
            {
                Method = QuantizationMethod.Gptq,
            },
            _ => Forward(model, device, input, [30, 16])
        );

        Assert.That(report.Layers.Select(layer => layer.Input), Has.All.Not.Null);
        Assert.That(report.Layers[0].Input!.ZeroPoint, Is.EqualTo(-128));
    }

    [Test]
    public void The_report_counts_bytes_and_float_weights_are_gone()
    {
        using Device device = deviceKind.Open();
        using Sequential model = Models.Cnn(new RandomGenerator(1), 8, 8).To(device);
        float[] images = Input(2 * 64, positive: true);

        QuantizationReport report = Quantizer.Quantize(
            model,
            Scheme with
            {
                Keep = ["9"],
            },
            _ => Forward(model, device, images, [2, 1, 8, 8])
        );

        long floats = 32 + 64 + 128 + 10 * 129;
        long codes = 32 * 9 + 64 * 32 * 9 + 128 * 256;
        Assert.Multiple(() =>
        {
            Assert.That(report.BytesAfter, Is.EqualTo(4 * floats + codes + 4 * (32 + 64 + 128) + 3 * 5));
            Assert.That(model.State().Select(each => each.Name), Has.None.EqualTo("0.weight"));
            Assert.That(() => ((Conv2d)model[0]).Weight, Throws.InvalidOperationException);
            Assert.That(((Linear)model[9]).InputCodes, Is.Null);
        });
    }

    [Test]
    public void What_cannot_be_calibrated_is_refused_and_nothing_changes()
    {
        using Device device = deviceKind.Open();
        using var layer = new Conv2d(1, 2, kernel: 3, random: new RandomGenerator(1)).To(device);
        float[] image = Input(9, positive: true);
        Assert.Multiple(() =>
        {
            Assert.That(
                () => Quantizer.Quantize(layer, Scheme),
                Throws.ArgumentException.With.Message.Contains("give a calibrate")
            );
            Assert.That(
                () => Quantizer.Quantize(layer, Scheme, _ => { }),
                Throws.InvalidOperationException.With.Message.Contains("no finite input but zeros")
            );
            Assert.That(
                () => Quantizer.Quantize(layer, Scheme, _ => Forward(layer, device, new float[9], [1, 1, 3, 3])),
                Throws.InvalidOperationException
            );
            Assert.That(
                () => Quantizer.Quantize(layer, Scheme with { Percentile = 50 }, _ => { }),
                Throws.ArgumentException.With.Message.Contains("50")
            );
            Assert.That(
                () => Quantizer.Quantize(layer, Scheme with { Percentile = double.NaN }, _ => { }),
                Throws.ArgumentException
            );
            Assert.That(layer.Quantized, Is.Null);
            Assert.That(((IQuantizable)layer).Hooks.InputSeen, Is.Null);
            Assert.That(() => new InputCodes(0, 0), Throws.InstanceOf<ArgumentException>());
            Assert.That(() => new InputCodes(1, 128), Throws.InstanceOf<ArgumentException>());
        });
        using var wide = new Linear(65_794, 1, initializer: Initializers.Constant(1)).To(device);
        Assert.That(
            () => Quantizer.Quantize(wide, Scheme, _ => Forward(wide, device, Input(65_794, true), [1, 65_794])),
            Throws.ArgumentException.With.Message.Contains("65793")
        );

        Quantizer.Quantize(layer, Scheme, _ => Forward(layer, device, image, [1, 1, 3, 3]));

        Assert.Multiple(() =>
        {
            Assert.That(
                () => layer.Forward(Tensor.From<float>(device, image, [1, 1, 3, 3])),
                Throws.InvalidOperationException.With.Message.Contains("NoGrad")
            );
            Assert.That(() => Forward(layer, device, image, [1, 9]), Throws.ArgumentException);
            Assert.That(() => Forward(layer, device, new float[4], [1, 1, 2, 2]), Throws.ArgumentException);
            Assert.That(() => Forward(layer, device, new float[18], [1, 2, 3, 3]), Throws.ArgumentException);
            Assert.That(() => Forward(layer, device, [], [0, 1, 3, 3]), Throws.Nothing);
        });
    }

    [Test]
    public void Noise_of_outputs_is_that_of_both_models_side_by_side()
    {
        using Device device = deviceKind.Open();
        using Sequential exact = Models.Mlp(new RandomGenerator(3), inputs: 16).To(device);
        using Sequential model = Models.Mlp(new RandomGenerator(3), inputs: 16).To(device);
        float[] input = Input(30 * 16, positive: true);
        Quantizer.Quantize(model, Scheme, _ => Forward(model, device, input, [30, 16]));

        IReadOnlyList<LayerNoise> noise = OutputNoise.Measure(
            exact,
            model,
            each => Forward(each, device, input, [30, 16])
        );

        float[] before = Forward(exact, device, input, [30, 16]);
        float[] after = Forward(model, device, input, [30, 16]);
        double ratio = before.Sum(x => (double)x * x) / before.Zip(after, (x, y) => Math.Pow((double)x - y, 2)).Sum();
        Assert.Multiple(() =>
        {
            Assert.That(noise.Select(each => each.Name), Is.EqualTo(new[] { "1", "3" }));
            Assert.That(noise[1].SignalToNoise, Is.EqualTo(10 * Math.Log10(ratio)).Within(1e-6));
            Assert.That(noise[0].SignalToNoise, Is.InRange(30, 70));
            Assert.That(() => OutputNoise.Measure(model, model, _ => { }), Throws.ArgumentException);
            Assert.That(() => OutputNoise.Measure(exact, model, _ => { }), Throws.InvalidOperationException);
        });
    }

    internal static float[] Forward(Module model, Device device, float[] input, Shape shape)
    {
        using NoGrad scope = NoGrad.Enter();
        return model.Forward(Tensor.From<float>(device, input, shape)).ToArray<float>();
    }

    internal static float[] Input(int count, bool positive) =>
        [.. QuantizerTests.Values(count, 2).Select(value => positive ? Math.Abs(value) : value)];

    private static InputCodes Codes(
        float[] values,
        QuantizationObserver observer,
        double percentile = 99.99,
        int pieces = 1
    )
    {
        var histogram = new InputHistogram();
        foreach (float[] piece in values.Chunk((values.Length + pieces - 1) / pieces))
            histogram.Add(piece);
        return histogram.Choose(observer, percentile);
    }

    // The values of the codes, by their definition.
    private static double[] Rounded(InputCodes codes, float[] values) =>
        [
            .. values.Select(value =>
            {
                double code = Math.Clamp(Math.Round((double)(value / codes.Scale)) + codes.ZeroPoint, -128, 127);
                return (code - codes.ZeroPoint) * codes.Scale;
            }),
        ];

    private static double Error(InputCodes codes, float[] values) =>
        values.Zip(Rounded(codes, values), (x, y) => Math.Pow(x - y, 2)).Sum();
}
