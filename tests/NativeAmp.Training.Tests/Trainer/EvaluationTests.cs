using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests;

/// <summary>Accuracy and loss of a model on a data set.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class EvaluationTests(DeviceKind kind)
{
    // Not a multiple of the batch inside.
    private const int Count = 603;

    private Device _device = null!;

    [SetUp]
    public void Open() => _device = kind.Open();

    [TearDown]
    public void Close() => _device.Dispose();

    [Test]
    public void Accuracy_is_the_share_of_right_classes()
    {
        using Sequential model = Identity();
        // The larger of two numbers is the class; every third label is wrong.
        ArrayDataset data = Data(i => i % 3 == 0);
        Assert.That(Evaluation.Accuracy(model, data, _device), Is.EqualTo(402 / 603.0).Within(1e-12));
        Assert.That(
            Evaluation.Accuracy(model, data, _device, PrecisionPolicy.BFloat16),
            Is.EqualTo(402 / 603.0).Within(1e-12)
        );
    }

    [Test]
    public void Mean_loss_counts_each_sample_once()
    {
        using Sequential model = Identity();
        double loss = Evaluation.MeanLoss(
            model,
            (module, fields) => Ops.Mean(module.Forward(fields[0])),
            Data(_ => false),
            _device
        );
        double expected = Enumerable.Range(0, Count).Average(i => (Inputs(i).A + Inputs(i).B) / 2);
        Assert.That(loss, Is.EqualTo(expected).Within(1e-5));
    }

    [Test]
    public void The_model_is_in_evaluation_mode_and_keeps_its_own_mode_and_memory()
    {
        using var model = new ModeModule();
        model.To(_device);
        long before = _device.MemoryStatistics.LiveTotalBytes;
        foreach (bool training in new[] { true, false })
        {
            Set(model, training);
            Evaluation.Accuracy(model, Data(_ => false), _device);
            Assert.That(model.Seen, Is.All.False);
            Assert.That(model.IsTraining, Is.EqualTo(training));
        }

        Assert.That(_device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before));
    }

    [Test]
    public void Each_module_keeps_a_mode_of_its_own()
    {
        using var model = new Sequential(new ModeModule(), new Sequential(new ModeModule(), new ModeModule()));
        model.To(_device);
        var inner = (Sequential)model[1];
        ModeModule[] leaves = [(ModeModule)model[0], (ModeModule)inner[0], (ModeModule)inner[1]];
        foreach (bool training in new[] { true, false })
        {
            Set(model, training);
            Set(inner, !training);
            Set(inner[1], training);
            Evaluation.Accuracy(model, Data(_ => false), _device);
            Assert.That(leaves.SelectMany(leaf => leaf.Seen), Is.All.False);
            Assert.That(
                new[] { model.IsTraining, inner.IsTraining, inner[0].IsTraining, inner[1].IsTraining },
                Is.EqualTo(new[] { training, !training, !training, training })
            );
        }
    }

    [Test]
    public void Ignored_labels_do_not_count()
    {
        using Sequential model = Identity();
        var data = new ArrayDataset(3);
        // Two rows of logits a sample: 1, 0; 0, 1; 1, 0; 1, 0; 0, 1; 0, 1.
        data.Add("x", [1f, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1], [2, 2]);
        data.Add("y", [0, -100, -100, 1, 1, 1], [2]);
        Assert.That(Evaluation.Accuracy(model, data, _device), Is.EqualTo(0.75));
        var none = new ArrayDataset(1);
        none.Add("x", [1f, 0], [2]);
        none.Add("y", [-100], Shape.Scalar);
        Assert.That(Evaluation.Accuracy(model, none, _device), Is.NaN);
    }

    [Test]
    public void A_cancelled_evaluation_throws_and_leaves_the_mode()
    {
        using Sequential model = Identity();
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.That(
            () => Evaluation.Accuracy(model, Data(_ => false), _device, cancellation: cancelled.Token),
            Throws.InstanceOf<OperationCanceledException>()
        );
        Assert.That(model.IsTraining);
    }

    [Test]
    public void Data_without_samples_or_labels_is_refused()
    {
        using Sequential model = Identity();
        var none = new ArrayDataset(0);
        none.Add("x", Array.Empty<float>(), [2]);
        none.Add("y", Array.Empty<int>(), Shape.Scalar);
        Assert.That(
            () => Evaluation.Accuracy(model, none, _device),
            Throws.ArgumentException.With.Message.Contains("is empty")
        );
        var unlabelled = new ArrayDataset(1);
        unlabelled.Add("x", new float[2], [2]);
        Assert.That(
            () => Evaluation.Accuracy(model, unlabelled, _device),
            Throws.ArgumentException.With.Message.Contains("a second field, of int32")
        );
        Assert.That(() => Evaluation.Accuracy(null!, none, _device), Throws.ArgumentNullException);
        Assert.That(() => Evaluation.MeanLoss(model, null!, unlabelled, _device), Throws.ArgumentNullException);
    }

    private static void Set(Module module, bool training)
    {
        if (training)
            module.Train();
        else
            module.Eval();
    }

    private static (float A, float B) Inputs(int i) => (i % 7, i % 5 + 0.5f);

    private static ArrayDataset Data(Func<int, bool> isWrong)
    {
        var data = new ArrayDataset(Count);
        data.Add("x", [.. Enumerable.Range(0, Count).SelectMany(i => new[] { Inputs(i).A, Inputs(i).B })], [2]);
        data.Add(
            "y",
            [.. Enumerable.Range(0, Count).Select(i => Inputs(i).B > Inputs(i).A != isWrong(i) ? 1 : 0)],
            Shape.Scalar
        );
        return data;
    }

    private Sequential Identity()
    {
        var linear = new Linear(2, 2, bias: false);
        linear.Weight.CopyFrom<float>([1, 0, 0, 1]);
        return new Sequential(linear).To(_device);
    }

    private sealed class ModeModule : Module
    {
        public List<bool> Seen { get; } = [];

        public override Tensor Forward(Tensor input)
        {
            Seen.Add(IsTraining);
            return input * 1;
        }
    }
}
