using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Trainers;

/// <summary>Accumulation, the last batch, groups of parameters and the user's own metrics.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class TrainerOptionTests(DeviceKind kind) : FolderTests
{
    [TestCase(16, 1)]
    [TestCase(8, 2)]
    [TestCase(4, 4)]
    [TestCase(1, 16)]
    public void Batches_add_up_to_the_gradient_of_all_their_samples(int batch, int accumulated)
    {
        List<StepReport> steps = [];
        float[] weights = Train(
            new TrainerOptions
            {
                Steps = 6,
                Batch = batch,
                AccumulateBatches = accumulated,
                Optimizer = new SgdOptions { LearningRate = 0.1 },
            },
            48,
            steps
        );
        Assert.That(weights, Is.EqualTo(GradientDescent(6, 16, 48, out double loss)).Within(1e-5));
        Assert.That(steps.Select(step => step.Samples), Is.All.EqualTo(16));
        Assert.That(steps[^1].Loss, Is.EqualTo(loss).Within(1e-5));
    }

    [Test]
    public void Accumulated_half_precision_gradients_of_an_overflow_are_skipped_as_one_step()
    {
        List<StepReport> steps = [];
        Train(
            new TrainerOptions
            {
                Steps = 3,
                Batch = 4,
                AccumulateBatches = 2,
                Precision = PrecisionPolicy.Float16,
                Scaler = new GradScalerOptions { InitialScale = float.Exp2(30), BackoffFactor = 1 / 1048576.0 },
            },
            48,
            steps
        );
        Assert.That(steps.Select(step => step.Skipped), Is.EqualTo(new[] { true, false, false }));
        Assert.That(steps[0].Reason, Does.Contain("infinite or not a number at a loss scale of 1.07"));
        Assert.That(steps[1].Reason, Is.Null);
    }

    [TestCase(true, new[] { 8, 8, 8, 8 })]
    [TestCase(false, new[] { 8, 8, 3, 8, 8, 3 })]
    public void The_last_samples_of_a_pass_are_a_smaller_step_or_left_out(bool dropLast, int[] sizes)
    {
        List<StepReport> steps = [];
        Train(
            new TrainerOptions
            {
                Epochs = 2,
                Batch = 4,
                AccumulateBatches = 2,
                DropLast = dropLast,
            },
            19,
            steps
        );
        Assert.That(steps.Select(step => step.Samples), Is.EqualTo(sizes));
    }

    [Test]
    public void A_smaller_last_step_has_the_gradient_of_its_own_samples()
    {
        // All 11 samples are one step of 8 + 3.
        List<StepReport> steps = [];
        float[] weights = Train(
            new TrainerOptions
            {
                Steps = 5,
                Batch = 8,
                AccumulateBatches = 2,
                DropLast = false,
                Optimizer = new SgdOptions { LearningRate = 0.1 },
            },
            11,
            steps
        );
        Assert.That(weights, Is.EqualTo(GradientDescent(5, 11, 11, out _)).Within(1e-5));
    }

    [Test]
    public void A_pass_that_keeps_its_last_batch_shows_every_sample_once()
    {
        using var loader = new BatchLoader(Lines.Data(10), 4, seed: 3, dropLast: false);
        Assert.That(loader.BatchesPerEpoch, Is.EqualTo(3));
        for (int epoch = 0; epoch < 2; epoch++)
        {
            List<(float, float)> seen = [];
            for (int i = 0; i < 3; i++)
            {
                Batch batch = loader.Next();
                seen.AddRange(batch.Floats(0).ToArray().Chunk(2).Select(x => (x[0], x[1])));
            }

            Assert.That(
                seen.Order(),
                Is.EqualTo(Enumerable.Range(0, 10).Select(Lines.Input).Select(x => (x[0], x[1])).Order())
            );
        }
    }

    [Test]
    public void A_checkpoint_of_other_batches_is_refused()
    {
        var options = new TrainerOptions
        {
            Steps = 2,
            Batch = 4,
            AccumulateBatches = 2,
            CheckpointFolder = Folder,
        };
        Train(options, 16, []);
        foreach (
            TrainerOptions other in (TrainerOptions[])
                [
                    options with
                    {
                        AccumulateBatches = 1,
                    },
                    options with
                    {
                        DropLast = false,
                    },
                    options with
                    {
                        Groups = (model, optimizer) =>
                            model.Parameters().Select(p => new ParameterGroup([p], optimizer)),
                    },
                ]
        )
            Assert.That(
                () => Train(other with { Steps = 4, Resume = true }, 16, []),
                Throws.TypeOf<CheckpointException>()
            );
        Assert.That(() => Train(options with { Steps = 4, Resume = true }, 16, []), Throws.Nothing);
    }

    [Test]
    public void Biases_and_norms_can_go_without_decay()
    {
        const double Rate = 0.1,
            Decay = 0.5;
        using Device device = kind.Open(1);
        using var model = new Sequential(new Linear(2, 4), new LayerNorm(4), new Linear(4, 1));
        float[][] before = [.. model.Parameters().Select(parameter => parameter.ToFloats())];
        using var trainer = new Trainer(
            model,
            Lines.Data(16),
            null,
            device,
            new TrainerOptions
            {
                Steps = 3,
                Batch = 8,
                Optimizer = new AdamOptions { LearningRate = Rate, WeightDecay = Decay },
                Groups = ParameterGroups.DecayMatricesOnly,
                // Without gradients only decay changes parameters.
                Loss = (module, fields) => Ops.Multiply(Ops.Mean(module.Call(fields[0])), 0),
            }
        );
        trainer.Run();
        foreach ((Parameter parameter, float[] values) in model.Parameters().Zip(before))
        {
            double factor = parameter.Shape.Rank == 2 ? Math.Pow(1 - Rate * Decay, 3) : 1;
            Assert.That(
                parameter.ToFloats(),
                Is.EqualTo(values.Select(value => (float)(value * factor))).Within(1e-6),
                parameter.Name
            );
        }
    }

    [Test]
    public void Parameters_in_no_group_are_not_trained()
    {
        using Device device = kind.Open(1);
        using Linear model = Lines.Model();
        float[] weight = model.Weight.ToFloats(),
            bias = model.Bias!.ToFloats();
        using Trainer trainer = Lines.Trainer(
            device,
            Lines.Data(16),
            new TrainerOptions
            {
                Steps = 2,
                Batch = 8,
                Groups = (module, optimizer) => [new ParameterGroup([((Linear)module).Bias!], optimizer)],
            },
            model
        );
        trainer.Run();
        Assert.That(model.Weight.ToFloats(), Is.EqualTo(weight));
        Assert.That(model.Bias!.ToFloats(), Is.Not.EqualTo(bias));
    }

    [Test]
    public void Own_metrics_are_means_over_the_test_set()
    {
        using Device device = kind.Open(1);
        using Linear model = Lines.Model();
        // More samples than one batch of a test, so that the batches' means are weighed.
        ArrayDataset data = Lines.Data(kind.IsEmulated() ? 30 : 260);
        using Trainer trainer = Lines.Trainer(
            device,
            data,
            new TrainerOptions
            {
                Epochs = 1,
                Batch = 10,
                Metrics = new Dictionary<string, BatchMetric>
                {
                    ["absolute_error"] = (module, fields) =>
                        module
                            .Call(fields[0])
                            .ToFloats()
                            .Zip(fields[1].ToFloats(), (p, y) => Math.Abs((double)p - y))
                            .Average(),
                },
            },
            model
        );
        EpochReport? last = null;
        trainer.EpochCompleted += (_, epoch) => last = epoch;
        TrainingResult result = trainer.Run();
        float[] w = model.Weight.ToFloats();
        double expected = Enumerable
            .Range(0, (int)data.Count)
            .Select(Lines.Input)
            .Average(x => Math.Abs(w[0] * x[0] + w[1] * x[1] + model.Bias!.ToFloats()[0] - Lines.Output(x)));
        Assert.That(result.Metrics["absolute_error"], Is.EqualTo(expected).Within(1e-4));
        Assert.That(last!.Metrics, Is.EqualTo(result.Metrics));
        Assert.That(result.TestLoss, Is.Not.Null);
    }

    [Test]
    public void Impossible_options_are_refused()
    {
        using Device device = kind.Open(1);
        var fine = new TrainerOptions { Steps = 1, Batch = 4 };
        Refused(fine with { AccumulateBatches = 0 }, "AccumulateBatches of a trainer is 0; it must be 1 or more");
        Refused(fine with { Batch = 1 << 20, AccumulateBatches = 1 << 20 }, "AccumulateBatches");
        Refused(fine with { AccumulateBatches = 5 }, "16 samples, fewer than one batch of 20");
        Refused(fine with { Metrics = Named("loss") }, "of other names than loss and accuracy");
        Refused(fine with { Metrics = Named("f1") }, "measured on a test set", withTest: false);

        void Refused(TrainerOptions options, string message, bool withTest = true) =>
            Assert.That(
                () => Lines.Trainer(device, Lines.Data(16), options, withTest: withTest),
                Throws.ArgumentException.With.Message.Contains(message)
            );

        static Dictionary<string, BatchMetric> Named(string name) => new() { [name] = (_, _) => 0 };
    }

    private float[] Train(TrainerOptions options, int samples, List<StepReport> steps)
    {
        using Device device = kind.Open(1);
        using Linear model = Lines.Model();
        using Trainer trainer = Lines.Trainer(device, Lines.Data(samples), options, model);
        trainer.StepCompleted += (_, step) => steps.Add(step);
        trainer.Run();
        return [.. model.Weight.ToFloats(), .. model.Bias!.ToFloats()];
    }

    /// <summary>Gradient descent on the mean squared error by hand, in float64, over the same samples.</summary>
    private static float[] GradientDescent(int steps, int batch, int samples, out double loss)
    {
        using Linear first = Lines.Model();
        double[] w = [.. first.Weight.ToFloats().Concat(first.Bias!.ToFloats()).Select(value => (double)value)];
        loss = 0;
        using var loader = new BatchLoader(Lines.Data(samples), batch, new TrainerOptions().Seed);
        for (int step = 0; step < steps; step++)
        {
            float[][] inputs = [.. loader.Next().Floats(0).ToArray().Chunk(2)];
            double[] error = [.. inputs.Select(x => w[0] * x[0] + w[1] * x[1] + w[2] - Lines.Output(x))];
            loss = error.Average(e => e * e);
            double[] gradient =
            [
                inputs.Zip(error, (x, e) => 2 * e * x[0]).Average(),
                inputs.Zip(error, (x, e) => 2 * e * x[1]).Average(),
                error.Average(e => 2 * e),
            ];
            for (int i = 0; i < w.Length; i++)
                w[i] -= 0.1 * gradient[i];
        }

        return [.. w.Select(value => (float)value)];
    }
}
