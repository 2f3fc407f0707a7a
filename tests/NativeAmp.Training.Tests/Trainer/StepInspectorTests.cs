using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Tests.Devices;

namespace NativeAmp.Training.Tests.Trainers;

/// <summary>
/// Steps that fail are found by name, run again, saved, and replayed. Inspection does not change a run.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class StepInspectorTests(DeviceKind kind) : FolderTests
{
    [Test]
    public void An_activation_that_overflows_is_found_by_name_and_the_step_can_be_replayed()
    {
        using Device device = kind.Open(1);
        string file = Path.Combine(Folder, "step.safetensors");
        var failed = new Inspector { File = file };
        using (Module model = Model(device, factor: 1e6f))
        using (
            var trainer = new Trainer(model, new Points(24, 6, 3), null, device, Options(failed, NonFiniteLoss.Skip))
        )
            trainer.Run();

        (StepPlace place, string first, float loss) = failed.Failures[0];
        Assert.That(
            (place.Step, first, loss),
            Is.EqualTo((1L, "activation of 2 (linear)", float.NaN))
                .Or.EqualTo((1L, "activation of 2 (linear)", float.PositiveInfinity))
        );

        var again = new Inspector();
        using (Module model = Model(device, factor: 1))
        using (var trainer = new Trainer(model, new Points(24, 6, 3), null, device, Options(again, NonFiniteLoss.Skip)))
        {
            StepReport step = trainer.Replay(file);
            Assert.That((step.Step, step.Loss, step.Skipped, step.Scale), Is.EqualTo((1L, loss, true, 1024f)));
        }

        Assert.That(again.Failures[0].Place.Samples, Is.EqualTo(place.Samples));
        Assert.That(again.Failures[0].First, Is.EqualTo(first));
        Assert.That(again.Seen, Is.EqualTo(failed.Seen), "every activation and gradient, bit by bit");
    }

    [Test]
    public void A_gradient_that_overflows_is_found_where_every_activation_is_finite()
    {
        using Device device = kind.Open(1);
        var inspector = new Inspector();
        using Module model = Model(device, factor: 1);
        TrainerOptions options = Options(inspector) with { Scaler = new GradScalerOptions { InitialScale = 1 << 24 } };
        using var trainer = new Trainer(model, new Points(24, 6, 3), null, device, options);
        trainer.Run();

        Assert.That(inspector.Failures, Is.Not.Empty);
        Assert.That(
            inspector.Failures[0].First,
            Is.EqualTo("gradient of 4 (linear)"),
            "the first on the way back that is held in half"
        );
        Assert.That(inspector.Failures[0].Loss, Is.LessThan(10));
    }

    [TestCase(1024f)]
    [TestCase(1 << 24)]
    public void A_run_that_is_looked_at_gives_the_same_bits(float scale)
    {
        using Device device = kind.Open(1);
        List<float[]> after = [];
        foreach (Inspector? inspector in (Inspector?[])[null, new Inspector { ObservesAll = true }])
        {
            using Module model = Model(device, factor: 1);
            TrainerOptions options = Options(inspector) with
            {
                Scaler = new GradScalerOptions { InitialScale = scale },
            };
            using var trainer = new Trainer(model, new Points(24, 6, 3), null, device, options);
            TrainingResult result = trainer.Run();
            after.Add([
                .. model.State().SelectMany(entry => entry.Values.ToFloats()),
                result.FinalLoss,
                result.FinalScale,
                result.SkippedSteps,
            ]);
            Assert.That(inspector?.Steps ?? result.Steps, Is.EqualTo(result.Steps));
            Assert.That(inspector?.Failures.Count ?? result.SkippedSteps, Is.EqualTo(result.SkippedSteps));
        }

        Assert.That(after[1], Is.EqualTo(after[0]));
    }

    [Test]
    public void Gradients_are_shown_with_the_scale_that_multiplies_them()
    {
        using Device device = kind.Open(1);
        List<float[]> gradients = [];
        foreach (float scale in (float[])[1, 64])
        {
            var inspector = new Inspector();
            using Module model = Model(device, factor: 1);
            TrainerOptions options = Options(inspector) with
            {
                Steps = 1,
                Precision = PrecisionPolicy.Float32,
                Scaler = new GradScalerOptions { InitialScale = scale },
            };
            using var trainer = new Trainer(model, new Points(24, 6, 3), null, device, options);
            trainer.Run();
            gradients.Add(inspector.Gradient);
            Assert.That(inspector.Scale, Is.EqualTo(scale));
        }

        Assert.That(gradients[1], Is.EqualTo(gradients[0].Select(value => 64 * value)));
    }

    [Test]
    public void A_file_of_another_run_and_a_second_replay_are_refused()
    {
        using Device device = kind.Open(1);
        string file = Path.Combine(Folder, "step.safetensors");
        using (Module model = Model(device, factor: 1e6f))
        using (
            var trainer = new Trainer(
                model,
                new Points(24, 6, 3),
                null,
                device,
                Options(new Inspector { File = file }, NonFiniteLoss.Skip)
            )
        )
            trainer.Run();
        using Module other = Model(device, factor: 1);
        using var wrong = new Trainer(other, new Points(24, 6, 3), null, device, Options(null) with { Seed = 9 });
        Assert.That(() => wrong.Replay(file), Throws.TypeOf<CheckpointException>().With.Message.Contains("seed"));
        File.WriteAllBytes(file, File.ReadAllBytes(file)[..^3]);
        Assert.That(() => wrong.Replay(file), Throws.TypeOf<DataFormatException>());
        wrong.Run();
        Assert.That(() => wrong.Replay(file), Throws.InvalidOperationException);
    }

    private static TrainerOptions Options(Inspector? inspector, NonFiniteLoss onNonFiniteLoss = NonFiniteLoss.Stop) =>
        new()
        {
            Steps = 5,
            Batch = 8,
            Precision = PrecisionPolicy.Float16,
            Scaler = new GradScalerOptions { InitialScale = 1024 },
            ClipNorm = 1,
            Random = new RandomGenerator(5),
            Inspector = inspector,
            OnNonFiniteLoss = onNonFiniteLoss,
        };

    private static Sequential Model(Device device, float factor)
    {
        var random = new RandomGenerator(3);
        Sequential model = new Sequential(
            new Linear(6, 8, random: random),
            new Gelu(),
            new Linear(8, 8, random: random),
            new Relu(),
            new Linear(8, 3, random: random)
        ).To(device);
        Parameter weight = model.NamedParameters().Single(entry => entry.Name == "2.weight").Parameter;
        weight.CopyFrom<float>([.. weight.ToFloats().Select(value => factor * value)]);
        return model;
    }

    private sealed class Inspector : StepInspector
    {
        public List<(StepPlace Place, string First, float Loss)> Failures { get; } = [];

        public List<(string Name, float[] Values)> Seen { get; private set; } = [];

        public string? File { get; init; }

        public bool ObservesAll { get; init; }

        public long Steps { get; private set; }

        public float Scale { get; private set; }

        public float[] Gradient { get; private set; } = [];

        public override ModelObserver? Begin(StepPlace place)
        {
            Steps++;
            return ObservesAll ? new Recorder() : null;
        }

        public override void GradientsReady(StepPlace place, Module model, float scale) =>
            (Scale, Gradient) = (scale, model.Parameters()[0].Gradient!.ToFloats());

        public override void Failed(FailedStep step)
        {
            var recorder = new Recorder();
            step.Rerun(recorder);
            if (Failures.Count == 0)
                Seen = recorder.Seen;
            string first = recorder
                .Seen.Where(seen => seen.Name.StartsWith("activation", StringComparison.Ordinal))
                .Concat(recorder.Seen)
                .First(seen => seen.Values.Any(value => !float.IsFinite(value)))
                .Name;
            Failures.Add((step.Place, first, step.Loss));
            if (File is not null && Failures.Count == 1)
                step.Save(File, new Dictionary<string, string> { ["note"] = "kept" });
        }
    }

    private sealed class Recorder : ModelObserver
    {
        public List<(string Name, float[] Values)> Seen { get; } = [];

        public override void OnActivation(in Observation activation) =>
            Seen.Add(($"activation of {activation.Module} ({activation.Operation})", activation.Values.ToFloats()));

        public override void OnGradient(in Observation gradient) =>
            Seen.Add(($"gradient of {gradient.Module} ({gradient.Operation})", gradient.Values.ToFloats()));

        public override void OnParameterGradient(Parameter parameter, in Observation gradient) =>
            Seen.Add(($"gradient of {parameter.Name}", gradient.Values.ToFloats()));
    }
}
