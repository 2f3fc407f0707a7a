using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Tests.Data;

namespace NativeAmp.Training.Tests.Trainers;

[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public class TrainerTests(DeviceKind kind)
{
    private string _folder = "";
    private ImageDataset _train = null!;
    private ImageDataset _test = null!;

    [SetUp]
    public void MakeData()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        string data = Path.Combine(_folder, "data");
        Idx.WriteTinyMnist(data, train: 70, test: 30, seed: 7);
        (_train, _test) = FashionMnist.Load(data);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    private static readonly OptimizerOptions[] Optimizers =
    [
        new AdamOptions(),
        new SgdOptions { LearningRate = 0.01, Momentum = 0.9 },
        new LionOptions(),
    ];

    [TestCaseSource(nameof(Optimizers))]
    public void Resuming_after_any_step_gives_the_bits_of_not_stopping(OptimizerOptions optimizer)
    {
        const int Steps = 9;
        TrainerOptions options = Options() with
        {
            Steps = Steps,
            CheckpointEvery = 1,
            CheckpointsKept = Steps,
            Optimizer = optimizer,
        };
        byte[] whole = LastCheckpoint(Run(options with { CheckpointFolder = Path.Combine(_folder, "whole") }, seed: 5));
        for (int stop = 1; stop < Steps; stop += kind.IsEmulated() || optimizer is not AdamOptions ? 4 : 1)
        {
            string folder = Path.Combine(_folder, "stopped" + stop);
            TrainerOptions stopped = options with { CheckpointFolder = folder };
            Run(stopped, seed: 5, stopAfter: stop);
            // Another initial model: everything has to come from the checkpoint.
            Assert.That(
                LastCheckpoint(Run(stopped with { Resume = true }, seed: 99)),
                Is.EqualTo(whole),
                $"stopped after {stop}"
            );
        }
    }

    [Test]
    public void A_checkpoint_of_another_model_changes_nothing()
    {
        string folder = Path.Combine(_folder, "checkpoints");
        Run(Options() with { Steps = 2, CheckpointFolder = folder }, seed: 5);
        using Device device = kind.Open(1);
        var random = new RandomGenerator(1);
        using var other = new Sequential(
            new Flatten(),
            new Linear(784, 8, random: random),
            new Linear(8, 10, random: random)
        );
        using var trainer = new Trainer(
            other,
            _train,
            _test,
            device,
            Options() with
            {
                Steps = 4,
                CheckpointFolder = folder,
                Resume = true,
            }
        );
        float[] before = other.Parameters()[0].ToFloats();
        var e = Assert.Throws<CheckpointException>(() => trainer.Run());
        Assert.That(e.Problems, Has.Some.Contains("model.1.weight is F32"));
        Assert.That(other.Parameters()[0].ToFloats(), Is.EqualTo(before));
    }

    [Test]
    public void Events_tell_of_steps_epochs_and_checkpoints()
    {
        List<StepReport> steps = [];
        List<EpochReport> epochs = [];
        List<CheckpointReport> checkpoints = [];
        using Device device = kind.Open(1);
        using Module model = Models.Mlp(new RandomGenerator(5));
        using var trainer = new Trainer(
            model,
            _train,
            _test,
            device,
            Options() with
            {
                Epochs = 2,
                Steps = null,
                CheckpointFolder = Path.Combine(_folder, "c"),
            }
        );
        trainer.StepCompleted += (_, step) => steps.Add(step);
        trainer.EpochCompleted += (_, epoch) => epochs.Add(epoch);
        trainer.CheckpointWritten += (_, checkpoint) => checkpoints.Add(checkpoint);
        TrainingResult result = trainer.Run();

        // 70 samples are four batches of 16; the rest is left out.
        Assert.That(steps.Select(step => step.Step), Is.EqualTo(Enumerable.Range(1, 8)));
        Assert.That(steps.Select(step => step.TotalSteps), Is.All.EqualTo(8));
        Assert.That(epochs.Select(epoch => (epoch.Epoch, epoch.Step)), Is.EqualTo(new[] { (1L, 4L), (2L, 8L) }));
        Assert.That(epochs[0].MeanLoss, Is.EqualTo(steps.Take(4).Average(step => (double)step.Loss)).Within(1e-6));
        Assert.That(checkpoints, Has.Count.EqualTo(2));
        Assert.That(checkpoints.Select(checkpoint => File.Exists(checkpoint.File)), Is.All.True);
        Assert.That(result.TestAccuracy, Is.EqualTo(epochs[1].TestAccuracy));
        Assert.That((result.Steps, result.FinalLoss), Is.EqualTo((8L, steps[^1].Loss)));
        Assert.Throws<InvalidOperationException>(() => trainer.Run());
    }

    [Test]
    public void Test_accuracy_is_the_share_that_is_right_whatever_the_last_batch()
    {
        // 260 samples are a full batch of 250 and a rest of 10. A model whose first output is always the largest is
        // right for label 0.
        string data = Path.Combine(_folder, "more");
        Idx.WriteTinyMnist(data, train: 16, test: 260, seed: 11);
        (_, ImageDataset test) = FashionMnist.Load(data);
        int zeros = Enumerable
            .Range(0, 260)
            .Count(i =>
            {
                var batch = new Batch(test, 1);
                batch.Fill([i]);
                return batch.Integers(1)[0] == 0;
            });
        using Device device = kind.Open(1);
        var linear = new Linear(784, 10);
        using Sequential model = new Sequential(new Flatten(), linear).To(device);
        linear.Weight.CopyFrom<float>(new float[7840]);
        linear.Bias!.CopyFrom<float>([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        Assert.That(Evaluation.Accuracy(model, test, device, PrecisionPolicy.Float16), Is.EqualTo(zeros / 260.0));
        Assert.That(model.IsTraining, Is.True);
    }

    [Test]
    public void Impossible_options_are_refused()
    {
        using Device device = kind.Open(1);
        using Module model = Models.Mlp(new RandomGenerator(5));
        foreach (
            TrainerOptions bad in (TrainerOptions[])
                [
                    new(),
                    Options() with
                    {
                        Epochs = 1,
                    },
                    Options() with
                    {
                        Steps = 0,
                    },
                    Options() with
                    {
                        Batch = 0,
                    },
                    Options() with
                    {
                        Batch = 71,
                    },
                    Options() with
                    {
                        ClipNorm = float.NaN,
                    },
                    Options() with
                    {
                        ClipNorm = -1,
                    },
                    Options() with
                    {
                        CheckpointEvery = -1,
                    },
                    Options() with
                    {
                        CheckpointsKept = 0,
                    },
                    Options() with
                    {
                        Resume = true,
                    },
                    Options() with
                    {
                        Prefetch = 0,
                    },
                ]
        )
            Assert.That(() => new Trainer(model, _train, null, device, bad), Throws.ArgumentException, bad.ToString());
    }

    private TrainerOptions Options() =>
        new()
        {
            Steps = 4,
            Batch = 16,
            Seed = 3,
            Precision = PrecisionPolicy.Float16,
            ClipNorm = 1,
            Random = new RandomGenerator(1),
        };

    /// <summary>
    /// Trains a network with dropout and batch norm, so that the generator and buffers matter; returns the folder.
    /// </summary>
    private string Run(TrainerOptions options, ulong seed, int stopAfter = int.MaxValue)
    {
        var random = new RandomGenerator(seed);
        using Device device = kind.Open(1);
        using var model = new Sequential(
            new Conv2d(1, 2, kernel: 3, padding: 1, random: random),
            new BatchNorm2d(2),
            new Relu(),
            new Flatten(),
            new Dropout(0.2f, random),
            new Linear(2 * 784, 10, random: random)
        );
        using var stop = new CancellationTokenSource();
        using var trainer = new Trainer(model, _train, null, device, options with { Random = random });
        trainer.StepCompleted += (_, step) =>
        {
            if (step.Step == stopAfter)
                stop.Cancel();
        };
        TrainingResult result = trainer.Run(stop.Token);
        Assert.That(result.Interrupted, Is.EqualTo(stopAfter < options.Steps));
        return options.CheckpointFolder!;
    }

    private static byte[] LastCheckpoint(string folder) => File.ReadAllBytes(Directory.EnumerateFiles(folder).Max()!);
}
