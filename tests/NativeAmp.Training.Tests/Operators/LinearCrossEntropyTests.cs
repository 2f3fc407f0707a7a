using NativeAmp.Training.Tests.Autograd;

namespace NativeAmp.Training.Tests.Operators;

/// <summary>A head with its loss in one operator, beside sums in double.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class LinearCrossEntropyTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Rows = 6;
    private const int Width = 12;
    private const int Ignored = -100;

    private static readonly int[] s_labels = [3, 0, Ignored, 36, 17, 3];

    [Test]
    public void Loss_and_gradients_are_those_of_double(
        [Values(DType.Float32, DType.Float16, DType.BFloat16)] DType dtype,
        [Values(37, 40)] int classes,
        [Values] Reduction reduction
    )
    {
        using var head = new Head(Device, classes);
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float32.WithCompute(dtype));
        Tensor loss = Loss.LinearCrossEntropy(head.Input, head.Weight, head.Labels, reduction);
        loss.Backward();

        Expected expected = ExpectedOf(head, dtype, reduction);
        double tolerance = dtype switch
        {
            DType.Float32 => 1e-6,
            DType.Float16 => 1.5e-3,
            _ => 1.2e-2,
        };
        double scale = reduction == Reduction.Mean ? 1 : Rows;
        Assert.That(loss.Item(), Is.EqualTo(expected.Loss).Within(tolerance * scale));
        Assert.That(head.Input.Gradient!.ToFloats(), Is.EqualTo(expected.Input).Within(tolerance * scale));
        Assert.That(head.Weight.Gradient!.ToFloats(), Is.EqualTo(expected.Weight).Within(tolerance * scale));
    }

    [Test]
    public void A_graph_that_is_kept_gives_the_same_gradient_again([Values(DType.Float32, DType.BFloat16)] DType dtype)
    {
        using var head = new Head(Device, 37);
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float32.WithCompute(dtype));
        Tensor loss = Loss.LinearCrossEntropy(head.Input, head.Weight, head.Labels);

        loss.Backward(retainGraph: true);
        float[] once = head.Weight.Gradient!.ToFloats();
        loss.Backward();

        double rounded = dtype == DType.Float32 ? 0 : 1e-3; // once; the sum is float32
        Assert.That(head.Weight.Gradient!.ToFloats(), Is.EqualTo(once.Select(x => 2 * x)).Within(rounded));
        Assert.That(() => loss.Backward(), Throws.InvalidOperationException.With.Message.Contains("retainGraph"));
    }

    // 37 rows of a copy and a gradient become 40 when the loss is first used.
    [Test]
    public void A_weight_whose_gradient_is_there_already_serves_as_well()
    {
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float32.WithCompute(DType.BFloat16));
        using var before = new Head(Device, 37);
        Loss.CrossEntropy(Ops.Linear(before.Input, before.Weight), before.Labels).Backward();
        float[] apart = before.Weight.Gradient!.ToFloats();
        before.Weight.ZeroGrad();
        Loss.LinearCrossEntropy(before.Input, before.Weight, before.Labels).Backward();

        Assert.That(before.Weight.Gradient!.ToFloats(), Is.EqualTo(apart).Within(2e-3));
        Loss.LinearCrossEntropy(before.Input, before.Weight, before.Labels).Backward();
        Assert.That(before.Weight.Gradient!.ToFloats(), Is.EqualTo(apart.Select(x => 2 * x)).Within(4e-3));
    }

    [Test]
    public void The_room_behind_the_rows_is_no_part_of_the_gradient()
    {
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float32.WithCompute(DType.Float16));
        using var head = new Head(Device, 37);
        Loss.LinearCrossEntropy(head.Input, head.Weight, head.Labels).Backward();
        Tensor gradient = head.Weight.Gradient!;

        Assert.That((gradient.DType, gradient.Count), Is.EqualTo((DType.Float16, 37L * Width)));
        if (Device.IsHostMemory)
            Assert.That(gradient.AsReadOnlySpan<Half>().Length, Is.EqualTo(37 * Width));
        Half[] ones = [.. Enumerable.Repeat((Half)1, 37 * Width)];
        gradient.CopyFrom<Half>(ones);
        Assert.That(head.Weight.Gradient!.ToFloats(), Is.All.EqualTo(1));
    }

    [Test]
    public void A_step_writes_the_copy_that_the_next_loss_computes_with()
    {
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float32.WithCompute(DType.Float16));
        using var head = new Head(Device, 37);
        using var optimizer = new FusedSgd([head.Weight], new SgdOptions { LearningRate = 0.5f });
        for (int step = 0; step < 3; step++)
        {
            Tensor loss = Loss.LinearCrossEntropy(head.Input, head.Weight, head.Labels);
            Assert.That(loss.Item(), Is.EqualTo(ExpectedOf(head, DType.Float16, Reduction.Mean).Loss).Within(1.5e-3));
            loss.Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
        }
    }

    [Test]
    public void A_weight_in_half_precision_and_no_gradients_are_possible()
    {
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float32.WithCompute(DType.BFloat16));
        using var head = new Head(Device, 37);
        using Tensor weight = Ops.Cast(head.Weight, DType.BFloat16).Detach().Keep();
        double expected = ExpectedOf(head, DType.BFloat16, Reduction.Mean).Loss;
        using NoGrad noGrad = NoGrad.Enter();

        Assert.That(
            Loss.LinearCrossEntropy(head.Input, weight, head.Labels).Item(),
            Is.EqualTo(expected).Within(1.2e-2)
        );
        Assert.That(
            Loss.LinearCrossEntropy(head.Input, head.Weight, head.Labels).Item(),
            Is.EqualTo(expected).Within(1.2e-2)
        );
    }

    [Test]
    public void A_language_model_keeps_one_matrix_of_logits_instead_of_two()
    {
        const int vocabulary = 4099;
        long apart = Peak(static (model, tokens) => Loss.CrossEntropy(model.Forward(tokens), tokens)),
            together = Peak(static (model, tokens) => model.ClassLoss(tokens, tokens));
        Assert.That((apart - together) / (2.0 * 64 * vocabulary), Is.InRange(1, 1.2));

        long Peak(Func<Gpt, Tensor, Tensor> loss)
        {
            using Device device = Kind.Open();
            using Gpt model = new Gpt(
                new GptOptions
                {
                    Vocabulary = vocabulary,
                    Context = 32,
                    Width = 16,
                    Heads = 1,
                    Blocks = 1,
                },
                new RandomGenerator(3)
            ).To(device);
            using Tensor tokens = Tensor.From(device, [.. Enumerable.Range(0, 64)], [2, 32]);
            using (Autocast.Enter(PrecisionPolicy.Float32.WithCompute(DType.BFloat16)))
            {
                loss(model, tokens).Backward(); // the parameters' copies and gradients
                device.ResetPeakMemory();
                model.ZeroGrad();
                loss(model, tokens).Backward();
            }

            return device.MemoryStatistics.PeakBytes(MemoryKind.Activations)
                + device.MemoryStatistics.PeakBytes(MemoryKind.Gradients);
        }
    }

    [Test]
    public void An_observer_sees_the_logits()
    {
        using var linear = new Linear(Width, 37, bias: false, random: new RandomGenerator(1));
        linear.To(Device);
        using var head = new Head(Device, 37);
        var recorder = new Recorder();
        using (recorder.Observe(linear))
            Loss.LinearCrossEntropy(head.Input, linear.Weight, head.Labels).Backward();
        Assert.That(recorder.Seen, Is.EqualTo(new[] { "linear [6, 37]", "cross_entropy []" }));
    }

    [Test]
    public void What_does_not_fit_is_named()
    {
        using var head = new Head(Device, 37);
        using Tensor three = Tensor.Zeros(Device, DType.Int32, [3]);
        using Tensor narrow = Tensor.Zeros(Device, DType.Float32, [37, Width - 1]);
        using Tensor flat = Tensor.Zeros(Device, DType.Float32, [Width]);
        using Tensor wrong = Tensor.From(Device, [0, 1, 2, 3, 4, 37], [Rows]);

        Assert.That(
            () => Loss.LinearCrossEntropy(head.Input, head.Weight, three),
            Throws.ArgumentException.With.Message.Contains("one a row")
        );
        Assert.That(
            () => Loss.LinearCrossEntropy(head.Input, narrow, head.Labels),
            Throws.ArgumentException.With.Message.Contains("[..., 11]")
        );
        Assert.That(
            () => Loss.LinearCrossEntropy(head.Input, flat, head.Labels),
            Throws.ArgumentException.With.Message.Contains("[classes, in]")
        );
        Assert.That(
            () => Loss.LinearCrossEntropy(head.Input, head.Weight, head.Input),
            Throws.ArgumentException.With.Message.Contains("int32")
        );
        Assert.That(
            () => Loss.LinearCrossEntropy(head.Input, head.Weight, wrong).Item(),
            Throws.TypeOf<IndexRangeException>().With.Message.Contains("label 37 of row 5")
        );
    }

    private static Expected ExpectedOf(Head head, DType dtype, Reduction reduction)
    {
        double[] x = Rounded(head.Input, dtype),
            w = Rounded(head.Weight, dtype);
        int classes = w.Length / Width;
        int counted = s_labels.Count(label => label != Ignored);
        double share = reduction == Reduction.Mean ? 1.0 / counted : 1;
        var input = new double[x.Length];
        var weight = new double[w.Length];
        double loss = 0;
        for (int row = 0; row < Rows; row++)
        {
            if (s_labels[row] == Ignored)
                continue;
            double[] logits =
            [
                .. Enumerable
                    .Range(0, classes)
                    .Select(c => Enumerable.Range(0, Width).Sum(i => x[row * Width + i] * w[c * Width + i])),
            ];
            double sum = logits.Sum(Math.Exp);
            loss += share * (Math.Log(sum) - logits[s_labels[row]]);
            for (int c = 0; c < classes; c++)
            {
                double gradient = share * (Math.Exp(logits[c]) / sum - (c == s_labels[row] ? 1 : 0));
                for (int i = 0; i < Width; i++)
                {
                    input[row * Width + i] += gradient * w[c * Width + i];
                    weight[c * Width + i] += gradient * x[row * Width + i];
                }
            }
        }

        return new Expected(loss, input, weight);
    }

    private static double[] Rounded(Tensor tensor, DType dtype)
    {
        using NoGrad noGrad = NoGrad.Enter();
        return Array.ConvertAll(Ops.Cast(tensor, dtype).ToFloats(), x => (double)x);
    }

    private sealed record Expected(double Loss, double[] Input, double[] Weight);

    private sealed class Head : IDisposable
    {
        public Head(Device device, int classes)
        {
            var random = new Random(7);
            float[] Draw(int count, float size) =>
                [.. Enumerable.Range(0, count).Select(_ => size * (2 * random.NextSingle() - 1))];
            Input = Tensor.From(device, Draw(Rows * Width, 1), [Rows, Width]);
            Input.RequiresGrad = true;
            _linear = new Linear(Width, classes, bias: false).To(device);
            _linear.Weight.CopyFrom<float>(Draw(classes * Width, 0.8f));
            Labels = Tensor.From(device, s_labels, [Rows]);
        }

        private readonly Linear _linear;

        public Tensor Input { get; }

        public Parameter Weight => _linear.Weight;

        public Tensor Labels { get; }

        public void Dispose()
        {
            Input.Dispose();
            _linear.Dispose();
            Labels.Dispose();
        }
    }

    private sealed class Recorder : ModelObserver
    {
        public List<string> Seen { get; } = [];

        public override void OnActivation(in Observation activation) =>
            Seen.Add($"{activation.Operation} {activation.Values.Shape}");
    }
}
