namespace NativeAmp.Training.Tests.Devices;

/// <summary>A checkpoint belongs to a run, not to a device: a run can resume on another device.</summary>
internal sealed class CheckpointsAcrossDevicesTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    private static readonly OptimizerOptions[] Optimizers =
    [
        new AdamOptions { LearningRate = 1e-2 },
        new SgdOptions
        {
            LearningRate = 1e-2,
            Momentum = 0.9,
            Nesterov = true,
        },
        new LionOptions { LearningRate = 1e-3 },
    ];

    [Test]
    public void A_run_goes_on_on_the_other_device(
        [ValueSource(nameof(Optimizers))] OptimizerOptions optimizer,
        [Values(DeviceKind.Cpu, DeviceKind.Cuda)] DeviceKind one
    )
    {
        DeviceKind other = one == DeviceKind.Cpu ? DeviceKind.Cuda : DeviceKind.Cpu;
        var whole = Run(optimizer, one, steps: 8, folder: null);
        var begun = Run(optimizer, one, steps: 4, _folder);
        var resumed = Run(optimizer, other, steps: 8, _folder, resume: true);

        Assert.That(resumed.Loaded, Is.EqualTo(begun.Final), "the parameters that were saved, bit for bit");
        Assert.That(resumed.Losses, Has.Count.EqualTo(4));
        for (int step = 0; step < 4; step++)
            Assert.That(
                (double)resumed.Losses[step],
                Is.EqualTo((double)whole.Losses[4 + step]).Within(1).Percent,
                $"step {4 + step}"
            );
        Assert.That(resumed.Scale, Is.EqualTo(whole.Scale));

        // And back again when the run is done: its final parameters are those that the other device saved.
        Assert.That(Run(optimizer, one, steps: 8, _folder, resume: true).Final, Is.EqualTo(resumed.Final));
    }

    private static (List<float> Losses, float[] Loaded, float[] Final, double Scale) Run(
        OptimizerOptions optimizer,
        DeviceKind kind,
        long steps,
        string? folder,
        bool resume = false
    )
    {
        using Device device = kind.Open();
        var random = new RandomGenerator(resume ? 99u : 5u);
        using var model = new Sequential(
            new Linear(6, 8, random: random),
            new Gelu(),
            new Dropout(0.1f, random),
            new Linear(8, 3, random: random)
        );
        using var trainer = new Trainer(
            model,
            new Points(32, 6, 3),
            test: null,
            device,
            new TrainerOptions
            {
                Steps = steps,
                Batch = 8,
                Optimizer = optimizer,
                Precision = PrecisionPolicy.Float16,
                ClipNorm = 1,
                CheckpointFolder = folder,
                Resume = resume,
                Random = random,
            }
        );
        List<float> losses = [];
        float[] loaded = [];
        trainer.StepCompleted += (_, step) => losses.Add(step.Loss);
        trainer.Resuming += (_, _) => loaded = Parameters(model);
        TrainingResult result = trainer.Run();
        return (losses, loaded, Parameters(model), result.FinalScale);
    }

    private static float[] Parameters(Module model) =>
        [.. model.Parameters().SelectMany(parameter => parameter.ToFloats())];
}
