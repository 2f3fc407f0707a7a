namespace NativeAmp.Training.Tests.Devices;

/// <summary>Labels and indices out of range: an error that names them, and no overflow.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class IndexRangeTests(DeviceKind kind) : Autograd.DeviceTests(kind)
{
    private bool IsCpu => Device.IsHostMemory;

    [Test]
    public void A_label_that_is_no_class_is_named_with_its_row_and_the_classes(
        [Values(4, -1, 255, int.MinValue, int.MaxValue)] int label
    )
    {
        using var logits = Tensor.From(Device, new float[12], [3, 4]);
        using var labels = Tensor.From(Device, [1, label, -7], [3]);

        IndexRangeException thrown = Assert.Throws<IndexRangeException>(() =>
            Loss.CrossEntropy(logits, labels).Item()
        )!;

        Assert.That(
            (thrown.Value, thrown.Position, thrown.Range, thrown.IsLabel),
            Is.EqualTo(((long)label, 1L, 4L, true))
        );
        Assert.That(thrown.Message, Does.Contain($"label {label} of row 1").And.Contain("4 classes, 0 to 3"));
    }

    [Test]
    public void An_ignored_label_need_be_no_class([Values(-100, 4, -1)] int ignored)
    {
        using var logits = Tensor.From(Device, new float[8], [2, 4]);
        using var labels = Tensor.From(Device, [1, ignored], [2]);

        Assert.That(
            Loss.CrossEntropy(logits, labels, ignoreIndex: ignored).Item(),
            Is.EqualTo(MathF.Log(4)).Within(1e-6f)
        );
    }

    [Test]
    public void A_step_over_a_wrong_label_changes_neither_parameters_nor_scale_and_says_why()
    {
        using var run = new Run(Device);
        run.Step(3).Expect(stepped: true);
        float[] before = run.Parameters();

        if (IsCpu)
        {
            Assert.Throws<IndexRangeException>(() => run.Step(4));
            run.Optimizer.ZeroGrad();
        }
        else
        {
            StepResult result = run.Step(4).Result;
            var properties = new List<Func<object?>>
            {
                () => result.Read().Skipped,
                () => result.Read().Stepped,
                () => result.Read().Reason,
                () => result.Read().GradientNorm,
                () => result.Read().Scale,
                () => result.Read().FirstBadParameter,
            };
            foreach (Func<object?> property in properties)
                Assert.That(Assert.Throws<IndexRangeException>(() => property())!.Value, Is.EqualTo(4));
        }

        Assert.That(run.Parameters(), Is.EqualTo(before));
        Assert.That(run.Scaler.GetScale(), Is.EqualTo(1024));
        run.Step(2).Expect(stepped: true);
        Assert.That(run.Optimizer.CountAppliedSteps(), Is.EqualTo(2));
    }

    [Test]
    public void Wrong_labels_in_a_row_are_not_too_many_overflows()
    {
        using var run = new Run(Device);
        for (int i = 0; i < 12; i++)
        {
            if (IsCpu)
                Assert.Throws<IndexRangeException>(() => run.Step(-1));
            else
                Assert.That(() => run.Step(-1), Throws.Nothing);
        }

        Assert.That(run.Scaler.GetScale(), Is.EqualTo(1024));
        Assert.That(run.Scaler.SaveState().ConsecutiveSkips, Is.Zero);
    }

    [Test]
    public void What_the_scaler_was_told_before_does_not_excuse_an_overflow()
    {
        using var run = new Run(Device);
        Assert.That(() => run.Step(9).Result.Read().Skipped, Throws.TypeOf<IndexRangeException>());
        run.Optimizer.ZeroGrad();
        run.Scaler.LoadState(run.Scaler.SaveState());

        run.Step(1, pixel: 1e6f).Expect(stepped: false);

        Assert.That(run.Scaler.GetScale(), Is.EqualTo(512));
    }

    [Test]
    public void An_index_that_is_no_row_of_the_table_is_named()
    {
        using var model = new Sequential(new Embedding(8, 4), new Flatten(), new Linear(8, 3)).To(Device);
        using var optimizer = new FusedAdam(model.Parameters());
        using var tokens = Tensor.From(Device, [1, 7, 8, -1], [2, 2]);
        using var labels = Tensor.From(Device, [0, 2], [2]);

        IndexRangeException thrown = Assert.Throws<IndexRangeException>(() =>
        {
            Loss.CrossEntropy(model.Forward(tokens), labels).Backward();
            _ = optimizer.Step().Read().Skipped;
        })!;

        Assert.That((thrown.Value, thrown.Position, thrown.Range, thrown.IsLabel), Is.EqualTo((8L, 2L, 8L, false)));
        Assert.That(thrown.Message, Does.Contain("index 8 at position 2").And.Contain("8 rows, 0 to 7"));
    }

    [Test]
    public void A_trainer_ends_with_the_label()
    {
        using var model = new Sequential(new Linear(2, 3));
        using var trainer = new Trainer(
            model,
            new Points(count: 8, features: 2, classes: 4),
            null,
            Device,
            new TrainerOptions { Batch = 4, Steps = 2 }
        );

        IndexRangeException thrown = Assert.Throws<IndexRangeException>(() => trainer.Run())!;

        Assert.That((thrown.Value, thrown.Range), Is.EqualTo((3L, 3L)));
    }

    /// <summary>A layer of four classes over two samples; the second has the given label.</summary>
    private sealed class Run : IDisposable
    {
        private readonly Device _device;
        private readonly Module _model;

        public Run(Device device)
        {
            _device = device;
            _model = new Sequential(new Linear(3, 4)).To(device);
            Optimizer = new FusedAdam(_model.Parameters());
            Scaler = new GradScaler(device, new GradScalerOptions { InitialScale = 1024, MaximumConsecutiveSkips = 5 });
        }

        public FusedAdam Optimizer { get; }

        public GradScaler Scaler { get; }

        public float[] Parameters() => [.. _model.Parameters().SelectMany(p => p.ToFloats())];

        public Outcome Step(int label, float pixel = 1)
        {
            using var input = Tensor.From(_device, [1, 2, 3, pixel, pixel, pixel], [2, 3]);
            using var labels = Tensor.From(_device, [1, label], [2]);
            using (Autocast.Enter(PrecisionPolicy.Float16))
                Scaler.Scale(Loss.CrossEntropy(_model.Forward(input), labels)).Backward();
            StepResult result = Scaler.Step(Optimizer);
            Scaler.Update();
            Optimizer.ZeroGrad();
            return new Outcome(result);
        }

        public void Dispose()
        {
            Scaler.Dispose();
            Optimizer.Dispose();
            _model.Dispose();
        }
    }

    private readonly record struct Outcome(StepResult Result)
    {
        public void Expect(bool stepped) => Assert.That(Result.Read().Stepped, Is.EqualTo(stepped));
    }
}
