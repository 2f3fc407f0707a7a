using NativeAmp.Training.Data;
using NativeAmp.Training.Tests.Data;

namespace NativeAmp.Training.Tests.Trainers;

/// <summary>The test after an epoch: a failure in it must not lose the epoch.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public class TestAfterEpochTests(DeviceKind kind)
{
    private string _folder = "";
    private ImageDataset _train = null!;
    private ImageDataset _test = null!;

    private string Checkpoints => Path.Combine(_folder, "c");

    [SetUp]
    public void MakeData()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        Idx.WriteTinyMnist(_folder, train: 64, test: 600, seed: 7);
        (_train, _test) = FashionMnist.Load(_folder);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void The_checkpoint_is_there_before_the_test_begins()
    {
        using Device device = kind.Open(1);
        using Module model = Models.Mlp(new RandomGenerator(5));
        using var trainer = new Trainer(
            model,
            _train,
            new Asked(_test, _ => throw new IOException("the test cannot be read")),
            device,
            Options()
        );
        Assert.Throws<IOException>(() => trainer.Run());
        Assert.That(Saved(), Is.EqualTo(new[] { "step-0000000004.safetensors" }));
    }

    [TestCase(1, 4L)]
    [TestCase(2, 8L)]
    public void Cancelled_in_a_test_the_run_ends_at_once_and_is_saved(int epoch, long steps)
    {
        using Device device = kind.Open(1);
        using Module model = Models.Mlp(new RandomGenerator(5));
        using var stop = new CancellationTokenSource();
        int asked = 0;
        int test = 0;
        var watched = new Asked(
            _test,
            index =>
            {
                if (index == 0 && ++test == epoch)
                    stop.Cancel();
                asked += stop.IsCancellationRequested ? 1 : 0;
            }
        );
        using var trainer = new Trainer(model, _train, watched, device, Options());
        TrainingResult result = trainer.Run(stop.Token);
        Assert.That((result.Interrupted, result.Steps, result.TestAccuracy), Is.EqualTo((true, steps, (double?)null)));
        Assert.That(asked, Is.LessThanOrEqualTo(250), "one batch of the test, not all 600");
        Assert.That(Saved()[^1], Is.EqualTo($"step-{steps:D10}.safetensors"));
        Assert.That(model.IsTraining, Is.True);
    }

    [Test]
    public void Resumed_after_its_last_step_only_the_test_is_left()
    {
        using Device device = kind.Open(1);
        double?[] accuracies = new double?[2];
        for (int run = 0; run < 2; run++)
        {
            using Module model = Models.Mlp(new RandomGenerator(5));
            using var trainer = new Trainer(model, _train, _test, device, Options() with { Resume = run == 1 });
            TrainingResult result = trainer.Run();
            accuracies[run] = result.TestAccuracy;
            Assert.That(result.StepsNow, Is.EqualTo(run == 0 ? 8 : 0));
        }

        Assert.That(accuracies[1], Is.Not.Null.And.EqualTo(accuracies[0]));
    }

    [Test]
    public void Statistics_of_a_batch_norm_in_evaluation_mode_stay_over_all_epochs()
    {
        using Device device = kind.Open(1);
        using var norm = new BatchNorm2d(1);
        using var model = new Sequential(norm, new Flatten(), new Linear(784, 10));
        using var trainer = new Trainer(model, _train, _test, device, Options());
        norm.Eval();
        trainer.Run();
        Assert.That(norm.IsTraining, Is.False);
        Assert.That(norm.RunningMean.ToFloats(), Is.EqualTo(new float[] { 0 }));
        Assert.That(norm.RunningVariance.ToFloats(), Is.EqualTo(new float[] { 1 }));
    }

    [Test]
    public void A_test_set_without_samples_is_none()
    {
        Idx.WriteTinyMnist(Path.Combine(_folder, "empty"), train: 64, test: 0, seed: 7);
        (ImageDataset train, ImageDataset test) = FashionMnist.Load(Path.Combine(_folder, "empty"));
        using Device device = kind.Open(1);
        using Module model = Models.Mlp(new RandomGenerator(5));
        using var trainer = new Trainer(model, train, test, device, Options());
        TrainingResult result = trainer.Run();
        Assert.That((result.Interrupted, result.Steps, result.TestAccuracy), Is.EqualTo((false, 8L, (double?)null)));
    }

    private TrainerOptions Options() =>
        new()
        {
            Epochs = 2,
            Batch = 16,
            CheckpointFolder = Checkpoints,
            Random = new RandomGenerator(1),
        };

    private string?[] Saved() => [.. Directory.EnumerateFiles(Checkpoints, "step-*").Select(Path.GetFileName).Order()];

    /// <summary>A data set that reports when a sample is read.</summary>
    private sealed class Asked(IDataset inner, Action<long> asked) : IDataset
    {
        public long Count => inner.Count;

        public IReadOnlyList<DataField> Fields => inner.Fields;

        public void Fill(long index, long epoch, Sample sample)
        {
            asked(index);
            inner.Fill(index, epoch, sample);
        }
    }
}
