using NativeAmp.Training.Quantization;
using static NativeAmp.Training.Tests.Quantization.StaticQuantizationTests;

namespace NativeAmp.Training.Tests.Quantization;

[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class QuantizationAwareTests(DeviceKind deviceKind)
{
    private static readonly QuantizationScheme Static = new() { Kind = QuantizationKind.Int8Static };
    private static readonly QuantizationScheme Int4 = new() { Kind = QuantizationKind.Int4, Group = 32 };

    [Test]
    public void A_model_computes_while_it_trains_what_it_computes_when_it_is_quantised([Values] bool isStatic)
    {
        using Device device = deviceKind.Open();
        using Sequential model = new Sequential(
            new Conv2d(2, 4, kernel: 3, padding: 1, random: new RandomGenerator(1)),
            new BatchNorm2d(4),
            new Relu(),
            new Flatten(),
            new Linear(144, 7, random: new RandomGenerator(2))
        ).To(device);
        model.Eval();
        float[] images = Input(3 * 72, positive: false);
        float[] exact = Forward(model, device, images, [3, 2, 6, 6]);
        using var aware = new QuantizationAware(
            model,
            isStatic ? Static : Int4,
            isStatic ? each => Forward(each, device, images, [3, 2, 6, 6]) : null
        );

        float[] training = Forward(model, device, images, [3, 2, 6, 6]);
        QuantizationReport report = aware.Finish();
        float[] after = Forward(model, device, images, [3, 2, 6, 6]);

        float largest = exact.Max(Math.Abs);
        Assert.Multiple(() =>
        {
            Assert.That(training.Zip(after, (x, y) => Math.Abs(x - y)).Max(), Is.LessThan(1e-5 * largest));
            Assert.That(training.Zip(exact, (x, y) => Math.Abs(x - y)).Max(), Is.GreaterThan(1e-4 * largest));
            Assert.That(report.BatchNorms.Folded.Count, Is.EqualTo(isStatic ? 1 : 0));
            Assert.That(report.Layers.Select(layer => layer.Name), Is.EqualTo(new[] { "0", "4" }));
            Assert.That(() => aware.Finish(), Throws.InstanceOf<ObjectDisposedException>());
        });
    }

    [Test]
    public void A_gpt_trains_with_rounded_layers_and_each_is_compared_by_itself()
    {
        using Device device = deviceKind.Open();
        var options = new GptOptions
        {
            Context = 8,
            Width = 64,
            Heads = 2,
            Blocks = 1,
        };
        using Gpt exact = Models.Gpt(options, new RandomGenerator(2)).To(device);
        using Gpt model = Models.Gpt(options, new RandomGenerator(2)).To(device);
        int[] tokens = [1, 2, 3, 4, 5, 6, 7, 8];
        float[] Logits(Module each)
        {
            using NoGrad scope = NoGrad.Enter();
            return each.Forward(Tensor.From<int>(device, tokens, [1, 8])).ToFloats();
        }

        using var aware = new QuantizationAware(model, Int4);
        float[] training = Logits(model);
        using (TensorScope.Enter())
            Ops.Sum(model.Forward(Tensor.From<int>(device, tokens, [1, 8]))).Backward();
        Assert.That(model.Parameters().Select(each => each.Gradient), Has.All.Not.Null);
        aware.Finish();

        float largest = training.Max(Math.Abs);
        IReadOnlyList<LayerNoise> noise = OutputNoise.Measure(exact, model, each => Logits(each));
        Assert.Multiple(() =>
        {
            Assert.That(Logits(model).Zip(training, (x, y) => Math.Abs(x - y)).Max(), Is.LessThan(1e-5 * largest));
            Assert.That(noise, Has.Count.EqualTo(4));
            Assert.That(noise.Select(each => each.SignalToNoise), Has.All.InRange(10, 60));
        });
    }

    [Test]
    public void Gradients_pass_straight_through_but_not_beyond_the_range_of_an_input()
    {
        using Device device = deviceKind.Open();
        using var layer = new Linear(3, 2, bias: false, random: new RandomGenerator(1)).To(device);
        float[] calibration = [-1, 0.5f, 1, 0, 0, 0];
        using var aware = new QuantizationAware(
            layer,
            Static with
            {
                Observer = QuantizationObserver.MinMax,
            },
            each => Forward(each, device, calibration, [2, 3])
        );
        using Tensor input = Tensor.From<float>(device, [-1.5f, 0.25f, 0.75f], [1, 3]);
        input.RequiresGrad = true;

        Ops.Sum(layer.Forward(input)).Backward();

        // The gradient of a sum: each input by the rounded weights of its column, each weight by its rounded input.
        float[] weight = layer.Weight.ToArray<float>();
        float[] scales = [.. weight.Chunk(3).Select(row => row.Max(Math.Abs) / 127)];
        float[] gradient = input.Gradient!.ToArray<float>();
        float[] ofWeight = layer.Weight.Gradient!.ToArray<float>();
        double step = 2.0 / 255;
        Assert.Multiple(() =>
        {
            Assert.That(gradient[0], Is.Zero, "−1.5 is beyond −1");
            for (int i = 1; i < 3; i++)
                Assert.That(
                    gradient[i],
                    Is.EqualTo(
                            Math.Round(weight[i] / scales[0]) * scales[0]
                                + Math.Round(weight[3 + i] / scales[1]) * scales[1]
                        )
                        .Within(1e-6)
                );
            Assert.That(ofWeight[0], Is.EqualTo(-1).Within(step));
            Assert.That(ofWeight[1], Is.EqualTo(0.25).Within(step / 2 + 1e-6));
            Assert.That(ofWeight.Skip(3), Is.EqualTo(ofWeight.Take(3)));
        });
    }

    [Test]
    public void Fine_tuning_takes_back_part_of_what_four_bits_lose()
    {
        // By how much depends on every rounding of 300 steps.
        if (deviceKind != DeviceKind.Cpu)
            Assert.Ignore("The limit is for the CPU's sums.");
        using Device device = deviceKind.Open();
        using Sequential plain = Trained(device);
        using Sequential tuned = Trained(device);
        double exact = Train(plain, device, steps: 0);

        Quantizer.Quantize(plain, Int4);
        using var aware = new QuantizationAware(tuned, Int4);
        Train(tuned, device, steps: 300, rate: 1e-3f);
        aware.Finish();

        double rounded = Train(plain, device, steps: 0);
        double fine = Train(tuned, device, steps: 0);
        TestContext.Out.WriteLine($"loss: float {exact:G3}, int4 {rounded:G3}, fine-tuned {fine:G3}");
        Assert.That(fine - exact, Is.LessThan(0.5 * (rounded - exact)));
    }

    [Test]
    public void What_cannot_begin_or_end_is_refused_and_nothing_changes()
    {
        using Device device = deviceKind.Open();
        using Sequential model = Models.Mlp(new RandomGenerator(3), inputs: 8).To(device);
        float[] row = Input(8, positive: true);
        float[] before = Forward(model, device, row, [1, 8]);
        Assert.Multiple(() =>
        {
            Assert.That(
                () => new QuantizationAware(model, Int4 with { Method = QuantizationMethod.Hqq }),
                Throws.ArgumentException.With.Message.Contains("not Hqq")
            );
            Assert.That(() => new QuantizationAware(model, Static), Throws.ArgumentException);
            Assert.That(Forward(model, device, row, [1, 8]), Is.EqualTo(before));
        });

        using (var aware = new QuantizationAware(model, Int4))
        {
            Assert.That(Forward(model, device, row, [1, 8]), Is.Not.EqualTo(before));
            Assert.That(() => new QuantizationAware(model, Int4), Throws.InvalidOperationException);
            Assert.That(
                () => Quantizer.Quantize(model, Int4),
                Throws.InvalidOperationException.With.Message.Contains("quantisation-aware training")
            );
            using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions());
            Assert.That(() => aware.Finish(), Throws.InvalidOperationException.With.Message.Contains("optimizer"));
        }

        Assert.That(Forward(model, device, row, [1, 8]), Is.EqualTo(before));
    }

    // 64 inputs, and outputs of a random network; trained until the loss is small.
    private static Sequential Trained(Device device)
    {
        Sequential model = Network(1).To(device);
        Train(model, device, steps: 300, rate: 3e-3f);
        return model;
    }

    private static Sequential Network(ulong seed)
    {
        var random = new RandomGenerator(seed);
        return new Sequential(new Linear(64, 64, random: random), new Relu(), new Linear(64, 4, random: random));
    }

    // Full-batch steps; the loss after them.
    private static double Train(Sequential model, Device device, int steps, float rate = 0)
    {
        const int Rows = 128;
        using Tensor input = Tensor.From<float>(device, QuantizerTests.Values(Rows * 64, 5), [Rows, 64]);
        using Sequential teacher = Network(9).To(device);
        using Tensor target = Tensor.From<float>(
            device,
            Forward(teacher, device, input.ToArray<float>(), [Rows, 64]),
            [Rows, 4]
        );
        if (steps > 0)
        {
            using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = rate });
            for (int step = 0; step < steps; step++)
            {
                using TensorScope scope = TensorScope.Enter();
                Loss.MeanSquaredError(model.Forward(input), target).Backward();
                optimizer.Step();
                optimizer.ZeroGrad();
            }
        }

        using NoGrad noGrad = NoGrad.Enter();
        return Loss.MeanSquaredError(model.Forward(input), target).Item();
    }
}
