using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Trainers;

/// <summary>Batches whose loss is NaN, under each of the trainer's actions.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public class NonFiniteLossTests(DeviceKind kind) : FolderTests
{
    [Test]
    public void By_default_the_run_ends_there_and_writes_no_checkpoint_after_it()
    {
        using Device device = kind.Open(1);
        using Module model = Model();
        using var trainer = new Trainer(
            model,
            new Points(badStep: 3),
            null,
            device,
            Options() with
            {
                CheckpointFolder = Folder,
                CheckpointEvery = 2,
            }
        );
        List<StepReport> steps = [];
        trainer.StepCompleted += (_, step) => steps.Add(step);
        var e = Assert.Throws<NonFiniteLossException>(() => trainer.Run());
        Assert.That((e.Step, e.Result.Steps, e.Result.NonFiniteLosses), Is.EqualTo((3L, 3L, 1L)));
        Assert.That(e.Message, Does.Contain("NaN at step 3").And.Contain("learning rate"));
        Assert.That(steps, Has.Count.EqualTo(3));
        Assert.That(steps[2].Loss, Is.NaN);
        Assert.That(
            Directory.EnumerateFiles(Folder, "step-*").Select(Path.GetFileName),
            Is.EqualTo(new[] { "step-0000000002.safetensors" })
        );
    }

    [Test]
    public void A_batch_that_is_skipped_leaves_parameters_optimizer_and_scale_as_they_were()
    {
        using Device device = kind.Open(1);
        using Module model = Model();
        using var trainer = new Trainer(model, new Points(badStep: 3), null, device, Options(NonFiniteLoss.Skip));
        List<(StepReport Step, float[] Weight)> after = [];
        trainer.StepCompleted += (_, step) => after.Add((step, model.Parameters()[0].ToFloats()));
        TrainingResult result = trainer.Run();

        Assert.That((result.Steps, result.NonFiniteLosses, result.SkippedSteps), Is.EqualTo((5L, 1L, 1L)));
        Assert.That(after[2].Weight, Is.EqualTo(after[1].Weight));
        Assert.That((after[2].Step.Skipped, after[2].Step.FoundInf), Is.EqualTo((true, false)));
        Assert.That(after[3].Weight, Is.Not.EqualTo(after[2].Weight));
        Assert.That(after.Select(step => step.Step.Scale), Is.All.EqualTo(1024f), "no loss scale is at fault");
        Assert.That(result.FinalLoss, Is.Not.NaN);
    }

    [Test]
    public void Going_on_takes_the_step_like_any_other()
    {
        using Device device = kind.Open(1);
        using Module model = Model();
        using var trainer = new Trainer(model, new Points(badStep: 3), null, device, Options(NonFiniteLoss.GoOn));
        List<StepReport> steps = [];
        trainer.StepCompleted += (_, step) => steps.Add(step);
        TrainingResult result = trainer.Run();
        Assert.That(
            (result.Steps, result.NonFiniteLosses, result.SkippedSteps),
            Is.EqualTo((5L, 1L, 1L)),
            "its gradients are not finite"
        );
        Assert.That((steps[2].FoundInf, steps[3].Scale), Is.EqualTo((true, 512f)));
    }

    [Test]
    public void Skipping_ends_where_nothing_but_such_batches_comes()
    {
        using Device device = kind.Open(1);
        using Module model = Model();
        using var trainer = new Trainer(
            model,
            new Points(badStep: null),
            null,
            device,
            Options(NonFiniteLoss.Skip) with
            {
                Steps = 1000,
            }
        );
        var e = Assert.Throws<NonFiniteLossException>(() => trainer.Run());
        Assert.That((e.Step, e.Message), Is.EqualTo((250L, e.Message)));
        Assert.That(e.Message, Does.Contain("250th time in a row"));
    }

    private static Sequential Model() => new(new Linear(2, 2, random: new RandomGenerator(5)));

    private static TrainerOptions Options(NonFiniteLoss onNonFiniteLoss = NonFiniteLoss.Stop) =>
        new()
        {
            Steps = 5,
            Batch = 2,
            Precision = PrecisionPolicy.Float16,
            Scaler = new GradScalerOptions { InitialScale = 1024 },
            Random = new RandomGenerator(1),
            OnNonFiniteLoss = onNonFiniteLoss,
        };

    /// <summary>Points of the plane. Those of one batch, counted from 1, or of all batches, are NaN.</summary>
    private sealed class Points(int? badStep) : IDataset
    {
        private int _filled;

        public long Count => 2;

        public IReadOnlyList<DataField> Fields { get; } =
        [
            new()
            {
                Name = "point",
                DType = DType.Float32,
                Shape = [2],
            },
            new() { Name = "class", DType = DType.Int32 },
        ];

        public void Fill(long index, long epoch, Sample sample)
        {
            int step = _filled++ / 2 + 1; // one batch is all samples
            sample.Floats(0).Fill(badStep is null || step == badStep ? float.NaN : index);
            sample.Integers(1)[0] = (int)index;
        }
    }
}
