using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Tests.Devices;

namespace NativeAmp.Training.Tests.Trainers;

/// <summary>Trainers of models in half precision: with masters as remainders, and without masters.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class TrainerMastersTests(DeviceKind kind)
{
    private const int Steps = 12;

    private static readonly AdamOptions Remainders = new() { LearningRate = 1e-2 };
    private static readonly AdamOptions NoMasters = Remainders with
    {
        MasterFormat = MasterFormat.None,
        WeightRounding = Rounding.Stochastic,
        RoundingSeed = 5,
    };

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_run_with_remainders_has_the_bits_of_one_with_float32_masters()
    {
        Outcome whole = Run(DType.Float32, Remainders);
        Outcome split = Run(DType.BFloat16, Remainders);

        // Where a compute copy rounds a tie down to even, the parameter is rounded up (docs/decisions/0022). There is
        // no such master here.
        Assert.That(whole.Ties, Is.Zero);
        Assert.That(split.Losses, Is.EqualTo(whole.Losses));
        Assert.That(split.Masters, Is.EqualTo(whole.Masters));
        Assert.That(split.Losses, Has.Length.EqualTo(Steps));
        Assert.That(split.Losses[^1], Is.LessThan(0.8 * split.Losses[0]));
        Assert.That((whole.NotCaptured, split.NotCaptured), Is.EqualTo(NotCaptured()));
    }

    [Test]
    public void Every_format_goes_on_from_every_others_checkpoint([Values] bool fromHalf, [Values] bool toHalf)
    {
        // Remainders and float32 masters go on as if nothing had changed.
        Outcome whole = Run(DType.Float32, Remainders);
        string folder = Path.Combine(_folder, "run");
        Run(fromHalf ? DType.BFloat16 : DType.Float32, Remainders, folder, stopAfter: Steps / 2);
        Outcome resumed = Run(toHalf ? DType.BFloat16 : DType.Float32, Remainders, folder, resume: true);
        Assert.That(resumed.Losses, Is.EqualTo(whole.Losses[(Steps / 2)..]));
        Assert.That(resumed.Masters, Is.EqualTo(whole.Masters));
        Assert.That(
            resumed.Message.Contains("masters was", StringComparison.Ordinal),
            Is.EqualTo(fromHalf != toHalf),
            resumed.Message
        );
    }

    [Test]
    public void Parameters_without_masters_go_on_with_the_same_bits_and_take_others_masters_rounded()
    {
        Outcome whole = Run(DType.BFloat16, NoMasters);
        string alone = Path.Combine(_folder, "alone");
        Outcome begun = Run(DType.BFloat16, NoMasters, alone, stopAfter: Steps / 2);
        Outcome resumed = Run(DType.BFloat16, NoMasters, alone, resume: true);
        Assert.That(resumed.Losses, Is.EqualTo(whole.Losses[(Steps / 2)..]));
        Assert.That(resumed.Masters, Is.EqualTo(whole.Masters));
        // A run of as many steps that is resumed only loads.
        Assert.That(Run(DType.Float32, Remainders, alone, resume: true).Masters, Is.EqualTo(whole.Masters));

        string split = Path.Combine(_folder, "split");
        Outcome remainders = Run(DType.BFloat16, Remainders, split);
        Outcome loaded = Run(DType.BFloat16, NoMasters, split, resume: true);
        Assert.That(loaded.Message, Does.Contain("masters was bfloat16 with remainders and is now bfloat16 rounded "));
        Assert.That(
            loaded.Masters[0],
            Is.EqualTo(Array.ConvertAll(remainders.Masters[0], master => (float)(BFloat16)master)).AsCollection
        );
        Assert.That(loaded.Masters[0], Is.Not.EqualTo(remainders.Masters[0]));
    }

    [Test]
    public void A_checkpoint_of_another_model_leaves_masters_as_they_were()
    {
        Run(DType.BFloat16, Remainders, _folder, stopAfter: 2);
        using Device device = kind.Open(1);
        using Linear model = new Linear(6, 3, random: new RandomGenerator(1)).To(DType.BFloat16);
        using Trainer trainer = Train(model, device, Remainders, _folder, resume: true);
        float[] masters = [.. Enumerable.Range(0, 18).Select(i => i / 7f)];
        model.Weight.WriteMaster(masters);
        Assert.That(() => trainer.Run(), Throws.TypeOf<CheckpointException>());
        Assert.That(model.Weight.ReadMaster(), Is.EqualTo(masters));
    }

    [Test]
    public void Small_steps_move_parameters_without_masters_only_if_they_are_rounded_stochastically()
    {
        float[] nearest = Train(Rounding.NearestEven);
        float[] stochastic = Train(Rounding.Stochastic);
        Assert.That(nearest, Is.All.EqualTo(1f));
        // 20 steps of 0.001; five deviations of the mean of roundings by at most a place of 2^-8.
        Assert.That(
            stochastic.Average(value => (double)value),
            Is.EqualTo(0.98).Within(5 * Math.Sqrt(20.0 / stochastic.Length) / 512)
        );

        float[] Train(Rounding rounding)
        {
            using Device device = kind.Open(1);
            using Linear model = new Linear(64, 64, bias: false, Initializers.Constant(1)).To(DType.BFloat16);
            using var trainer = new Trainer(
                model,
                new Points(32, 64, 3),
                test: null,
                device,
                new TrainerOptions
                {
                    Steps = 20,
                    Batch = 8,
                    Precision = PrecisionPolicy.BFloat16,
                    // The sign of each gradient is that of the sum of inputs: the loss makes them all positive.
                    Loss = (module, batch) => Ops.Sum(module.Call(Ops.Relu(batch[0]))),
                    Optimizer = new LionOptions
                    {
                        LearningRate = 1e-3,
                        WeightDecay = 0,
                        MasterFormat = MasterFormat.None,
                        WeightRounding = rounding,
                    },
                }
            );
            trainer.Run();
            return model.Weight.ToFloats();
        }
    }

    [Test]
    public void Fewer_bytes_are_kept_for_remainders_and_the_fewest_without_masters()
    {
        // Weights; biases and rounding up to the allocator's granule come on top.
        const long Elements = 2 * 64 * 256;
        StepMemory whole = Memory(DType.Float32, Remainders);
        StepMemory split = Memory(DType.BFloat16, Remainders);
        StepMemory alone = Memory(DType.BFloat16, NoMasters);
        Assert.Multiple(() =>
        {
            AssertNear(whole.Parameters, 4);
            AssertNear(split.Parameters, 2);
            AssertNear(alone.Parameters, 2);
            AssertNear(whole.ComputeCopies, 2);
            Assert.That((split.ComputeCopies, alone.ComputeCopies), Is.EqualTo((0L, 0L)));
            AssertNear(split.OptimizerState - whole.OptimizerState, 2);
            Assert.That(alone.OptimizerState, Is.EqualTo(whole.OptimizerState));
            Assert.That((split.Gradients, alone.Gradients), Is.EqualTo((whole.Gradients, whole.Gradients)));
            AssertNear(whole.Peak - split.Peak, 2);
            AssertNear(split.Peak - alone.Peak, 2);
        });

        static void AssertNear(long bytes, long bytesOfAnElement) =>
            Assert.That(bytes, Is.EqualTo(bytesOfAnElement * Elements).Within(16 * 1024));

        StepMemory Memory(DType dtype, AdamOptions options)
        {
            using Device device = kind.Open(1);
            var random = new RandomGenerator(1);
            using Module model = new Sequential(
                new Linear(64, 256, random: random),
                new Relu(),
                new Linear(256, 64, random: random)
            ).To(dtype);
            using var trainer = new Trainer(
                model,
                new Points(32, 64, 3),
                test: null,
                device,
                new TrainerOptions
                {
                    Steps = 3,
                    Batch = 8,
                    Precision = PrecisionPolicy.BFloat16,
                    Optimizer = options,
                    CaptureSteps = false,
                }
            );
            trainer.StepCompleted += (_, step) =>
            {
                if (step.Step == 1)
                    device.ResetPeakMemory();
            };
            trainer.Run();
            return StepMemory.Of(device.MemoryStatistics);
        }
    }

    [Test]
    public void Float16_parameters_train_without_masters_and_are_refused_with_remainders()
    {
        using Device device = kind.Open(1);
        using Linear model = new Linear(6, 3, random: new RandomGenerator(1)).To(DType.Float16);
        Assert.That(
            () => Train(model, device, Remainders, folder: null),
            Throws.ArgumentException.With.Message.Contains("only bfloat16 has a remainder")
        );
        using Trainer trainer = Train(model, device, NoMasters, folder: null);
        List<float> losses = [];
        trainer.StepCompleted += (_, step) => losses.Add(step.Loss);
        Assert.That(trainer.Run().SkippedSteps, Is.LessThan(4));
        Assert.That(losses[^1], Is.LessThan(0.9 * losses[0]));
        Assert.That(model.Weight.DType, Is.EqualTo(DType.Float16));
    }

    private (string?, string?) NotCaptured() =>
        kind == DeviceKind.Cpu ? ("The CPU has no graphs.", "The CPU has no graphs.") : (null, null);

    private sealed record Outcome(float[] Losses, float[][] Masters, int Ties, string Message, string? NotCaptured);

    private Outcome Run(
        DType dtype,
        AdamOptions options,
        string? folder = null,
        bool resume = false,
        int stopAfter = Steps
    )
    {
        using Device device = kind.Open(1);
        // Values of bfloat16, so that masters begin alike in every format. A resumed run has others, and reads these.
        using Sequential model = Network(seed: resume ? 99u : 7u).To(DType.BFloat16).To(dtype);
        using var stop = new CancellationTokenSource();
        using Trainer trainer = Train(model, device, options, folder, resume);
        List<float> losses = [];
        int ties = 0;
        string message = "";
        trainer.Resuming += (_, report) => message = report.Message;
        trainer.StepCompleted += (_, step) =>
        {
            losses.Add(step.Loss);
            ties += model
                .Parameters()
                .Where(parameter => !parameter.KeepsFloat32)
                .Sum(parameter => parameter.ReadMaster().Count(IsTieBelowEven));
            if (step.Step == stopAfter)
                stop.Cancel();
        };
        trainer.Run(stop.Token);
        return new Outcome([.. losses], Masters(), ties, message, trainer.NotCaptured);

        float[][] Masters() => [.. model.Parameters().Select(parameter => parameter.ReadMaster())];
    }

    private static bool IsTieBelowEven(float master) => (BitConverter.SingleToUInt32Bits(master) & 0x1FFFF) == 0x8000;

    private static Sequential Network(ulong seed)
    {
        var random = new RandomGenerator(seed);
        return new Sequential(
            new Linear(6, 16, random: random),
            new Gelu(),
            new LayerNorm(16),
            new Linear(16, 16, random: random),
            new Relu(),
            new Linear(16, 3, random: random)
        );
    }

    private static Trainer Train(
        Module model,
        Device device,
        AdamOptions options,
        string? folder,
        bool resume = false
    ) =>
        new(
            model,
            new Points(32, 6, 3),
            test: null,
            device,
            new TrainerOptions
            {
                Steps = Steps,
                Batch = 8,
                Optimizer = options,
                Precision =
                    model.Parameters()[0].DType == DType.Float16 ? PrecisionPolicy.Float16 : PrecisionPolicy.BFloat16,
                ClipNorm = 1,
                CheckpointFolder = folder,
                Resume = resume,
                WaitsForEachStep = true,
            }
        );
}
