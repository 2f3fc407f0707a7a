using NativeAmp.Training.Tests.Devices;

namespace NativeAmp.Training.Tests.Trainers;

/// <summary>A trainer captures its steps by itself, where it may, and reports the same.</summary>
internal sealed class TrainerGraphTests
{
    [TestCase("float16")]
    [TestCase("bfloat16")]
    public void Steps_that_are_captured_give_the_reports_and_the_parameters_of_calls(string precision)
    {
        // 7 batches of 8 and one of 4 in each pass; a test behind each; 32 steps.
        TrainerOptions options = Options(precision) with
        {
            Epochs = 4,
            Steps = null,
            DropLast = false,
        };
        Outcome calls = Run(options with { CaptureSteps = false }, data: 60, test: 20);
        Outcome captured = Run(options, data: 60, test: 20);
        Assert.That(calls.NotCaptured, Does.Contain("CaptureSteps is false"));
        Assert.That(captured.NotCaptured, Is.Null);
        Assert.That(captured.Steps, Is.EqualTo(calls.Steps));
        Assert.That(captured.Parameters, Is.EqualTo(calls.Parameters));
        Assert.That(captured.Random, Is.EqualTo(calls.Random));
        Assert.That(captured.Result.TestAccuracy, Is.EqualTo(calls.Result.TestAccuracy));
        Assert.That(calls.Steps, Has.Length.EqualTo(32));
        if (precision == "float16")
            Assert.That(calls.Steps.Skip(3).Count(step => step.Skipped), Is.InRange(1, 20), "skips behind the capture");
    }

    [Test]
    public void Launches_are_one_for_each_step()
    {
        EmulatedGpu.Require();
        long Launches(int steps)
        {
            EmulatedGpu.ResetCounters();
            Run(Options("float16") with { Steps = steps });
            NampemuCounters counted = EmulatedGpu.Counters;
            return (long)(counted.Launches + counted.Gemms);
        }

        Assert.That(Launches(40) - Launches(10), Is.EqualTo(30));
    }

    [Test]
    public void A_resumed_run_ends_with_the_same_bits()
    {
        string folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        try
        {
            TrainerOptions options = Options("float16") with { Steps = 14, CheckpointEvery = 7 };
            Outcome whole = Run(options with { CheckpointFolder = Path.Combine(folder, "whole") });
            options = options with { CheckpointFolder = Path.Combine(folder, "two") };
            Run(options, stopAfter: 7);
            Outcome resumed = Run(options with { Resume = true });
            Assert.That(resumed.Parameters, Is.EqualTo(whole.Parameters));
            Assert.That(resumed.Random, Is.EqualTo(whole.Random));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void A_layer_that_is_frozen_during_the_run_is_captured_anew()
    {
        Outcome[] both =
        [
            .. new bool?[] { false, null }.Select(captures =>
                Run(Options("float16") with { Steps = 16, CaptureSteps = captures }, freezeAfter: 8)
            ),
        ];
        Assert.That(both[1].NotCaptured, Is.Null);
        Assert.That(both[1].Parameters, Is.EqualTo(both[0].Parameters));
    }

    [Test]
    public void Own_losses_and_modules_are_captured_only_when_that_is_asked_for()
    {
        BatchLoss own = (model, fields) => Loss.CrossEntropy(model.Call(fields[0]), fields[1]);
        TrainerOptions options = Options("float16") with { Steps = 6, Loss = own };
        Assert.That(Run(options).NotCaptured, Does.Contain("loss is not the library's own"));
        Assert.That(Run(options with { CaptureSteps = true }).NotCaptured, Is.Null);
        options = Options("float16") with { Steps = 6 };
        Assert.That(Run(options, extra: new Own()).NotCaptured, Does.Contain("module Own"));
        Assert.That(Run(options with { CaptureSteps = true }, extra: new Own()).NotCaptured, Is.Null);
    }

    [Test]
    public void What_cannot_be_captured_is_named_and_trains_all_the_same()
    {
        Outcome calls = Run(Options("float16") with { CaptureSteps = false });
        BatchLoss reading = (model, fields) =>
        {
            Tensor loss = Loss.CrossEntropy(model.Call(fields[0]), fields[1]);
            _ = loss.Item();
            return loss;
        };
        Outcome refused = Run(Options("float16") with { Loss = reading, CaptureSteps = true });
        Assert.That(
            refused.NotCaptured,
            Does.StartWith("A graph cannot be captured: ").And.Contain("namp_memory_copy")
        );
        Assert.That(refused.Parameters, Is.EqualTo(calls.Parameters));
        Assert.That(refused.Random, Is.EqualTo(calls.Random));
        Assert.That(
            Run(Options("float16") with { AccumulateBatches = 2, Steps = 3 }).NotCaptured,
            Does.Contain("AccumulateBatches")
        );
        Assert.That(
            Run(Options("float16") with { OnNonFiniteLoss = NonFiniteLoss.Skip, Steps = 3 }).NotCaptured,
            Does.Contain("NonFiniteLoss.Skip")
        );
        Assert.That(Run(Options("float32") with { Steps = 3 }, kind: DeviceKind.Cpu).NotCaptured, Does.Contain("CPU"));
    }

    private static TrainerOptions Options(string precision) =>
        new()
        {
            Steps = 12,
            Batch = 8,
            Optimizer = new AdamOptions { LearningRate = 1e-2 },
            Schedule = LearningRateSchedule.LinearWarmup(5, LearningRateSchedule.Cosine(20)),
            Precision = PrecisionPolicy.Float32.WithCompute(DTypes.Parse(precision)),
            // The first steps overflow, and later ones when the scale has grown.
            Scaler =
                precision == "float16" ? new GradScalerOptions { InitialScale = 1L << 26, GrowthInterval = 4 } : null,
            ClipNorm = 0.5f,
        };

    private static Outcome Run(
        TrainerOptions options,
        int data = 400,
        int test = 0,
        Module? extra = null,
        int? stopAfter = null,
        int? freezeAfter = null,
        DeviceKind kind = DeviceKind.Cuda
    )
    {
        using Device device = kind.Open(1);
        var random = new RandomGenerator(5);
        using var model = new Sequential(
            new Linear(6, 8, random: random),
            new Gelu(),
            new Dropout(0.2f, random),
            extra ?? new Relu(),
            new Linear(8, 3, random: random)
        );
        using var trainer = new Trainer(
            model,
            new Points(data, 6, 3),
            test == 0 ? null : new Points(test, 6, 3),
            device,
            options with
            {
                Random = random,
            }
        );
        List<StepReport> steps = [];
        trainer.StepCompleted += (_, step) =>
        {
            steps.Add(step with { Milliseconds = 0 });
            if (step.Step == stopAfter)
                trainer.Stop("enough");
            if (step.Step == freezeAfter)
                model.Parameters()[0].RequiresGrad = false;
        };
        TrainingResult result = trainer.Run();
        return new Outcome(
            [.. steps],
            [.. model.Parameters().SelectMany(parameter => parameter.ToFloats())],
            random.State,
            result,
            trainer.NotCaptured
        );
    }

    private sealed record Outcome(
        StepReport[] Steps,
        float[] Parameters,
        RandomState Random,
        TrainingResult Result,
        string? NotCaptured
    );

    private sealed class Own : Module
    {
        public override Tensor Forward(Tensor input) => Ops.Multiply(input, 2);
    }
}
