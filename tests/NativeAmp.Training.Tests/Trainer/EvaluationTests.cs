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
            if (training)
                model.Train();
            else
                model.Eval();
            Evaluation.Accuracy(model, Data(_ => false), _device);
            Assert.That(model.Seen, Is.All.False);
            Assert.That(model.IsTraining, Is.EqualTo(training));
        }

        Assert.That(_device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before));
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
