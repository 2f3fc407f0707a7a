using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests;

/// <summary>A trainer with a custom loss: regression, several inputs.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class BatchLossTests(DeviceKind kind)
{
    [Test]
    public void A_line_is_found_by_regression()
    {
        // y = 3 a - 2 b + 1
        var data = new ArrayDataset(64);
        float[] a = Random(64, 1),
            b = Random(64, 2);
        data.Add("a", a, [1]);
        data.Add("b", b, [1]);
        data.Add("y", [.. a.Zip(b, (x, z) => 3 * x - 2 * z + 1)], [1]);
        using Device device = kind.Open(1);
        using var model = new TwoInputs();

        using var trainer = new Trainer(
            model,
            data,
            data,
            device,
            new TrainerOptions
            {
                Epochs = 40,
                Batch = 16,
                Optimizer = new SgdOptions { LearningRate = 0.3 },
                Loss = (module, fields) =>
                    Loss.MeanSquaredError(((TwoInputs)module).Forward(fields[0], fields[1]), fields[2]),
            }
        );
        TrainingResult result = trainer.Run();

        Assert.That((result.TestAccuracy, result.TestLoss), Is.EqualTo(((double?)null, result.TestLoss)));
        Assert.That(result.TestLoss, Is.LessThan(1e-4));
        Assert.That(model.First.Weight.ToFloats()[0], Is.EqualTo(3).Within(0.05));
        Assert.That(model.Second.Weight.ToFloats()[0], Is.EqualTo(-2).Within(0.05));
    }

    [Test]
    public void What_is_no_scalar_is_refused()
    {
        var data = new ArrayDataset(4);
        data.Add("x", new float[4], [1]);
        using Device device = kind.Open(1);
        using var model = new Linear(1, 1);
        using var trainer = new Trainer(
            model,
            data,
            null,
            device,
            new TrainerOptions
            {
                Steps = 1,
                Batch = 4,
                Loss = (module, fields) => module.Call(fields[0]),
            }
        );
        Assert.That(
            () => trainer.Run(),
            Throws.InvalidOperationException.With.Message.Contains("one float32; it is float32 [4, 1]")
        );
    }

    [Test]
    public void Without_a_loss_the_fields_are_an_input_and_classes()
    {
        var data = new ArrayDataset(4);
        data.Add("x", new float[4], [1]);
        data.Add("y", new float[4], [1]);
        using Device device = kind.Open(1);
        using var model = new Linear(1, 1);
        Assert.That(
            () => new Trainer(model, data, null, device, new TrainerOptions { Steps = 1, Batch = 4 }),
            Throws.ArgumentException.With.Message.Contains("x (float32 [1]), y (float32 [1])")
        );
    }

    [Test]
    public void Arrays_fit_their_samples()
    {
        var data = new ArrayDataset(4);
        Assert.That(
            () => data.Add("x", new float[9], [2]),
            Throws.ArgumentException.With.Message.Contains("'x' has 9 values; 4 samples of [2] take 8")
        );
    }

    private static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];
    }

    private sealed class TwoInputs : Module
    {
        public Linear First { get; } = new(1, 1);

        public Linear Second { get; } = new(1, 1, bias: false);

        public TwoInputs()
        {
            Register("first", First);
            Register("second", Second);
        }

        public override Tensor Forward(Tensor input) => throw new NotSupportedException("It has two inputs.");

        public Tensor Forward(Tensor a, Tensor b) => Ops.Add(First.Call(a), Second.Call(b));
    }
}
