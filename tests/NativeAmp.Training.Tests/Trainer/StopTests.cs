using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Trainers;

/// <summary>A run ends where its program says so, and returns at once where it is cancelled.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class StopTests(DeviceKind kind) : FolderTests
{
    [Test]
    public void A_handler_stops_the_run_after_a_step()
    {
        using Device device = kind.Open(1);
        using Trainer trainer = Lines.Trainer(device, Lines.Data(64), new TrainerOptions { Epochs = 5, Batch = 8 });
        trainer.StepCompleted += (sender, step) =>
        {
            if (step.Step == 3)
                ((Trainer)sender!).Stop("Three are enough.");
        };
        TrainingResult result = trainer.Run();
        // A GPU is a step ahead of its reports.
        Assert.That(result.Steps, Is.EqualTo(device.IsHostMemory ? 3 : 4));
        Assert.That((result.Interrupted, result.StopReason), Is.EqualTo((false, "Three are enough.")));
        Assert.That(result.TestLoss, Is.Not.Null, "it is tested as after its last step");
    }

    [Test]
    public void A_stopped_run_is_saved_and_can_go_on()
    {
        using Device device = kind.Open(1);
        var options = new TrainerOptions
        {
            Epochs = 3,
            Batch = 8,
            CheckpointFolder = Folder,
            CheckpointEvery = 1000,
        };
        using (Trainer trainer = Lines.Trainer(device, Lines.Data(64), options))
        {
            trainer.EpochCompleted += (_, _) => trainer.Stop("One pass.");
            Assert.That(trainer.Run().Steps, Is.EqualTo(8));
        }

        using Trainer second = Lines.Trainer(device, Lines.Data(64), options with { Resume = true });
        TrainingResult result = second.Run();
        Assert.That((result.Steps, result.StepsNow, result.StopReason), Is.EqualTo((24L, 16L, (string?)null)));
    }

    [Test]
    public void Early_stopping_waits_for_its_patience_and_names_the_best_pass()
    {
        using Device device = kind.Open(1);
        // Scripted values: the best is that of pass 2, and passes 3 and 4 are no better.
        double?[] values = [5, 3, 3.5, null, 1];
        using Trainer trainer = Lines.Trainer(device, Lines.Data(16), new TrainerOptions { Epochs = 5, Batch = 8 });
        var early = new EarlyStopping(patience: 2, epoch => values[epoch.Epoch - 1]);
        early.Attach(trainer);
        TrainingResult result = trainer.Run();
        Assert.That((result.Steps, early.Best, early.BestEpoch), Is.EqualTo((8L, 3.0, 2L)));
        Assert.That(result.StopReason, Is.EqualTo("No improvement in 2 passes: the best value is 3, of pass 2."));
    }

    [Test]
    public void Early_stopping_asks_for_the_smallest_change()
    {
        using Device device = kind.Open(1);
        double[] values = [5, 4.95, 4.85, 4.8];
        using Trainer trainer = Lines.Trainer(device, Lines.Data(16), new TrainerOptions { Epochs = 4, Batch = 8 });
        var early = new EarlyStopping(patience: 1, epoch => values[epoch.Epoch - 1], minimumChange: 0.1);
        early.Attach(trainer);
        Assert.That((trainer.Run().Steps, early.Best), Is.EqualTo((4L, 5.0)));
    }

    [Test]
    public void Early_stopping_watches_the_test_loss_by_itself()
    {
        using Device device = kind.Open(1);
        // With a learning rate of 0 nothing improves.
        using Trainer trainer = Lines.Trainer(
            device,
            Lines.Data(16),
            new TrainerOptions
            {
                Epochs = 9,
                Batch = 8,
                Optimizer = new SgdOptions { LearningRate = 0 },
            }
        );
        var early = new EarlyStopping(patience: 3);
        early.Attach(trainer);
        TrainingResult result = trainer.Run();
        Assert.That((result.Steps, early.Best), Is.EqualTo((8L, result.TestLoss)));
    }

    [Test]
    public void Impossible_patience_is_refused()
    {
        Assert.That(() => new EarlyStopping(0), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(
            () => new EarlyStopping(1, minimumChange: double.NaN),
            Throws.TypeOf<ArgumentOutOfRangeException>()
        );
        Assert.That(() => new EarlyStopping(1).Attach(null!), Throws.ArgumentNullException);
    }

    [Test]
    public void A_run_that_waits_for_its_data_returns_when_cancelled()
    {
        using Device device = kind.Open(1);
        using var stop = new CancellationTokenSource();
        using var never = new ManualResetEventSlim();
        using var hangs = new ManualResetEventSlim();
        using Trainer trainer = Lines.Trainer(
            device,
            new Stuck(hangs, never),
            new TrainerOptions
            {
                Steps = 10,
                Batch = 2,
                CheckpointFolder = Folder,
            },
            withTest: false
        );
        Task? canceled = null;
        trainer.StepCompleted += (_, step) =>
        {
            // A GPU is a step ahead of its reports.
            if (step.Step == (device.IsHostMemory ? 2 : 1))
                canceled = Task.Run(() =>
                {
                    hangs.Wait();
                    stop.Cancel();
                });
        };
        TrainingResult result = trainer.Run(stop.Token);
        never.Set();
        canceled!.Wait();
        Assert.That((result.Steps, result.Interrupted), Is.EqualTo((2L, true)));
        Assert.That(Directory.EnumerateFiles(Folder, "*.safetensors"), Is.Not.Empty, "the two steps are saved");
    }

    [Test]
    public async Task A_run_has_one_thread_of_its_own()
    {
        using Device device = kind.Open(1);
        using Trainer trainer = Lines.Trainer(device, Lines.Data(16), new TrainerOptions { Epochs = 2, Batch = 8 });
        HashSet<(int Id, bool OfPool)> threads = [];
        trainer.StepCompleted += (_, _) =>
            threads.Add((Environment.CurrentManagedThreadId, Thread.CurrentThread.IsThreadPoolThread));
        TrainingResult result = await trainer.RunAsync();
        Assert.That(result.Steps, Is.EqualTo(4));
        Assert.That(threads.Single().OfPool, Is.False);
        await Assert.ThrowsAsync<InvalidOperationException>(() => trainer.RunAsync());
    }

    [Test]
    public async Task A_trainer_that_runs_is_not_run_again()
    {
        using Device device = kind.Open(1);
        using var inStep = new SemaphoreSlim(0);
        using var goOn = new SemaphoreSlim(0);
        using Trainer trainer = Lines.Trainer(device, Lines.Data(16), new TrainerOptions { Steps = 1, Batch = 8 });
        trainer.StepCompleted += (_, _) =>
        {
            inStep.Release();
            goOn.Wait();
        };
        Task<TrainingResult> run = trainer.RunAsync();
        await inStep.WaitAsync();
        Assert.That(() => trainer.Run(), Throws.InvalidOperationException.With.Message.Contains("is running"));
        goOn.Release();
        Assert.That((await run).Steps, Is.EqualTo(1));
    }

    /// <summary>Four samples that can be read; the next hangs.</summary>
    private sealed class Stuck(ManualResetEventSlim hangs, ManualResetEventSlim never) : IDataset
    {
        private int _read;

        public long Count => 100;

        public IReadOnlyList<DataField> Fields => Lines.Fields;

        public void Fill(long index, long epoch, Sample sample)
        {
            if (++_read <= 4)
                return;
            hangs.Set();
            never.Wait();
        }
    }
}
