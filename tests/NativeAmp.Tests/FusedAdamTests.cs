namespace NativeAmp.Tests;

/// <summary>
/// The optimizer around the kernels: groups, gradients that appear and disappear, schedules, state, and no allocations.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class FusedAdamTests(DeviceKind kind)
{
    private Device _device = null!;

    [SetUp]
    public void Open() => _device = kind.Open(1);

    [TearDown]
    public void Close() => _device.Dispose();

    [Test]
    public void A_step_allocates_nothing()
    {
        using var a = new TestParameter(_device, "a", new float[100]);
        using var b = new TestParameter(_device, "b", new float[1000]);
        using var optimizer = new FusedAdam([
            new ParameterGroup([a], new AdamOptions()),
            new ParameterGroup([b], new AdamOptions { WeightDecay = 0 }),
        ]);
        using var scaler = new GradScaler(_device);
        optimizer.Scheduler = LearningRateSchedule.LinearWarmup(10, LearningRateSchedule.Cosine(100));
        a.WithComputeCopy(DType.Float16);
        a.SetGradient(new Half[100]);
        b.SetGradient(new float[1000]);
        for (int warm = 0; warm < 50; warm++)
            Step();
        long before = GC.GetAllocatedBytesForCurrentThread();

        for (int i = 0; i < 100; i++)
            Step();

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);

        void Step()
        {
            scaler.Unscale(optimizer);
            optimizer.ClipGradNorm(1);
            scaler.Step(optimizer);
            scaler.Update();
        }
    }

    [Test]
    public void A_step_over_a_thousand_tensors_allocates_nothing_either()
    {
        TestParameter[] parameters =
        [
            .. Enumerable.Range(0, 1000).Select(i => new TestParameter(_device, $"p{i}", 1, 2, 3)),
        ];
        using var optimizer = new FusedAdam(parameters);
        foreach (var parameter in parameters)
            parameter.SetGradient(1f, 2f, 3f);
        for (int warm = 0; warm < 5; warm++)
            optimizer.Step();
        long before = GC.GetAllocatedBytesForCurrentThread();

        for (int i = 0; i < 5; i++)
            optimizer.Step();

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Assert.That(optimizer.CountAppliedSteps(), Is.EqualTo(10));
        foreach (var parameter in parameters)
            parameter.Dispose();
    }

    [Test]
    public void A_skipped_step_changes_nothing_and_does_not_advance_the_schedule()
    {
        using var p = new TestParameter(_device, "p", 1, 2);
        p.WithComputeCopy(DType.BFloat16);
        using var optimizer = new FusedAdam([p]) { Scheduler = LearningRateSchedule.LinearWarmup(4) };
        p.SetGradient(1f, 1f);
        optimizer.Step();
        var (values, halves, state) = (p.Values, p.Half<BFloat16>(), optimizer.SaveState());

        p.SetGradient(1f, float.NaN);
        var skipped = optimizer.Step();

        Assert.That(skipped.Read().Skipped);
        Assert.That((p.Values, p.Half<BFloat16>()), Is.EqualTo((values, halves)));
        Assert.That(
            optimizer.SaveState().Parameters[0].State["exp_avg"],
            Is.EqualTo(state.Parameters[0].State["exp_avg"])
        );
        Assert.That(optimizer.CountAppliedSteps(), Is.EqualTo(1));
        Assert.That(skipped.Read().LearningRate, Is.EqualTo(2 * 0.001 / 4));
        Assert.That(optimizer.NextLearningRate(), Is.EqualTo(2 * 0.001 / 4));
    }

    [Test]
    public void Groups_step_by_their_own_hyperparameters()
    {
        using var fast = new TestParameter(_device, "fast", 1);
        using var still = new TestParameter(_device, "still", 1);
        using var optimizer = new FusedAdam([
            new ParameterGroup([fast], new AdamOptions { LearningRate = 0.1, WeightDecay = 0 }),
            new ParameterGroup([still], new AdamOptions { LearningRate = 0 }),
        ]);
        fast.SetGradient(1f);
        still.SetGradient(1f);

        optimizer.Step();

        Assert.That(fast.Values[0], Is.EqualTo(0.9f).Within(1e-6f));
        Assert.That(still.Values[0], Is.EqualTo(1));
    }

    [Test]
    public void The_compute_copy_is_the_parameter_rounded()
    {
        using var p = new TestParameter(_device, "p", Sizes.Numbers(1000, seed: 1));
        p.WithComputeCopy(DType.Float16);
        using var optimizer = new FusedAdam([p]);
        p.SetGradient(Array.ConvertAll(Sizes.Numbers(1000, seed: 2), x => (Half)x));

        optimizer.Step();

        Assert.That(p.Half<Half>(), Is.EqualTo(Array.ConvertAll(p.Values, x => (Half)x)));
    }

    [Test]
    public void Parameters_without_a_gradient_are_left_out_until_they_have_one()
    {
        using var a = new TestParameter(_device, "a", 1);
        using var b = new TestParameter(_device, "b", 1);
        using var optimizer = new FusedAdam([a, b]);
        a.SetGradient(1f);
        optimizer.Step();
        Assert.That((a.Values[0] == 1, b.Values[0] == 1), Is.EqualTo((false, true)));

        b.SetGradient<BFloat16>((BFloat16)1f);
        optimizer.Step();
        Assert.That(b.Values[0], Is.Not.EqualTo(1));
    }

    [Test]
    public void Without_any_gradient_a_step_is_an_error_and_zeroing_takes_them_all()
    {
        using var p = new TestParameter(_device, "p", 1);
        using var optimizer = new FusedAdam([p]);
        p.SetGradient(1f);
        optimizer.ZeroGrad();

        Assert.That(optimizer.Step, Throws.InvalidOperationException.With.Message.Contains("Backward"));
        Assert.That(optimizer.CountAppliedSteps(), Is.Zero);
    }

    [Test]
    public void Without_checks_a_step_applies_what_there_is_even_after_one_that_was_skipped()
    {
        using var p = new TestParameter(_device, "p", 1);
        using var optimizer = new FusedAdam([p]);
        p.SetGradient(float.NaN);
        optimizer.Step();
        optimizer.CheckGradients = false;
        p.SetGradient(1f);

        var result = optimizer.Step();

        Assert.That(result.Read().Stepped);
        Assert.That(result.Read().GradientNorm, Is.NaN);
        Assert.That(p.Values[0], Is.Not.EqualTo(1));
    }

    [Test]
    public void State_that_is_saved_and_loaded_goes_on_with_the_same_bits([Values] bool amsGrad)
    {
        var options = new AdamOptions { AmsGrad = amsGrad };
        using var p = new TestParameter(_device, "p", Sizes.Numbers(100, seed: 1));
        using var one = new FusedAdam([p], options);
        for (int step = 0; step < 3; step++)
        {
            p.SetGradient(Sizes.Numbers(100, seed: 10 + step));
            one.Step();
        }
        using var q = new TestParameter(_device, "p", p.Values);
        using var two = new FusedAdam([q], options);
        two.LoadState(one.SaveState());
        foreach (var (parameter, optimizer) in new[] { (p, one), (q, two) })
        {
            parameter.SetGradient(Sizes.Numbers(100, seed: 20));
            optimizer.Step();
        }
        Assert.That(q.Values, Is.EqualTo(p.Values));
        Assert.That(two.CountAppliedSteps(), Is.EqualTo(4));
    }

    [Test]
    public void State_that_does_not_fit_is_refused_and_changes_nothing()
    {
        using var p = new TestParameter(_device, "p", 1, 2);
        using var optimizer = new FusedAdam([p]);
        p.SetGradient(1f, 1f);
        optimizer.Step();
        var state = optimizer.SaveState();
        var moments = state.Parameters[0];

        Assert.That(
            () => optimizer.LoadState(state with { Parameters = [] }),
            Throws.ArgumentException.With.Message.Contains("'p'")
        );
        Assert.That(
            () => optimizer.LoadState(state with { Parameters = [moments, moments with { Name = "q" }] }),
            Throws.ArgumentException.With.Message.Contains("'q'")
        );
        Assert.That(
            () =>
                optimizer.LoadState(
                    state with
                    {
                        Parameters =
                        [
                            moments with
                            {
                                State = new Dictionary<string, float[]> { ["exp_avg"] = [1], ["exp_avg_sq"] = [1] },
                            },
                        ],
                    }
                ),
            Throws.ArgumentException.With.Message.Contains("elements")
        );
        Assert.That(
            () => optimizer.LoadState(state with { Step = -1 }),
            Throws.InstanceOf<ArgumentOutOfRangeException>()
        );
        Assert.That(
            () => optimizer.LoadState(state with { Step = long.MaxValue }),
            Throws.InstanceOf<ArgumentOutOfRangeException>()
        );
        Assert.That(optimizer.SaveState().Parameters[0].State["exp_avg"], Is.EqualTo(moments.State["exp_avg"]));
    }

    [Test]
    public void A_result_can_be_looked_at_later_and_says_so_when_it_is_too_late()
    {
        using var p = new TestParameter(_device, "p", 1);
        using var optimizer = new FusedAdam([p]);
        p.SetGradient(3f);
        var first = optimizer.Step();
        p.SetGradient(4f);
        for (int i = 0; i < 63; i++)
            optimizer.Step();

        Assert.That(first.Read().GradientNorm, Is.EqualTo(3));
        optimizer.Step();
        Assert.That(() => first.Read().GradientNorm, Throws.InvalidOperationException.With.Message.Contains("gone"));
    }

    [Test]
    public void Clipping_to_infinity_reads_the_norm_and_clips_nothing([Values] bool checkGradients)
    {
        using var p = new TestParameter(_device, "p", 1, 1);
        using var q = new TestParameter(_device, "q", 1, 1);
        using var clipped = new FusedAdam([p]) { CheckGradients = checkGradients };
        using var plain = new FusedAdam([q]);
        p.SetGradient(3e15f, 4e15f);
        q.SetGradient(3e15f, 4e15f);

        clipped.ClipGradNorm(float.PositiveInfinity);
        var result = clipped.Step();
        plain.Step();

        Assert.That(
            (result.Read().Stepped, result.Read().GradientNorm, result.Read().ClipCoefficient),
            Is.EqualTo((true, 5e15f, 1f))
        );
        Assert.That(p.Values, Is.EqualTo(q.Values));
    }

    [Test]
    public void A_norm_that_would_clip_nothing_by_accident_is_refused(
        [Values(0f, -0f, -1f, float.NaN, float.NegativeInfinity)] float maxNorm
    )
    {
        using var p = new TestParameter(_device, "p", 1);
        using var optimizer = new FusedAdam([p]);

        Assert.That(
            () => optimizer.ClipGradNorm(maxNorm),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("above 0")
        );
        Assert.That(() => optimizer.ClipGradNorm((float)1e-46), Throws.InstanceOf<ArgumentOutOfRangeException>());
        p.SetGradient(1f);
        optimizer.ClipGradNorm(float.Epsilon);
        Assert.That(optimizer.Step().Read().ClipCoefficient, Is.LessThan(1e-40f), "the smallest norm there is clips");
    }

    [Test]
    public void Impossible_optimizers_are_refused()
    {
        using var p = new TestParameter(_device, "p", 1);
        Assert.That(() => new FusedAdam(Array.Empty<IParameter>()), Throws.ArgumentException);
        using var odd = new TestParameter(_device, "odd", 1, 2) { ShapeOverride = 3 };
        Assert.That(
            () => new FusedAdam([odd]),
            Throws.ArgumentException.With.Message.Contains(
                "'odd' has 2 elements, which is not the product of its shape, [3]"
            )
        );
        Assert.That(() => new FusedAdam([p, p]), Throws.ArgumentException.With.Message.Contains("'p' is given twice"));
        Assert.That(
            () => new FusedAdam([p], new AdamOptions { Beta1 = 1 }),
            Throws.ArgumentException.With.Message.Contains("Beta1")
        );
        Assert.That(() => new FusedAdam([p], new AdamOptions { LearningRate = double.NaN }), Throws.ArgumentException);
        Assert.That(
            _device.MemoryStatistics.LiveBytes(MemoryKind.OptimizerState),
            Is.Zero,
            "what was begun was given back"
        );
    }

    [Test]
    public void Schedules_take_the_learning_rate_where_they_say()
    {
        var schedule = LearningRateSchedule.LinearWarmup(4, LearningRateSchedule.Cosine(10, floor: 0.1));
        Assert.That(schedule.LearningRate(2, 0), Is.EqualTo(0.5));
        Assert.That(schedule.LearningRate(2, 3), Is.EqualTo(2));
        Assert.That(schedule.LearningRate(2, 4), Is.EqualTo(2));
        Assert.That(schedule.LearningRate(2, 9), Is.EqualTo(2 * 0.55).Within(1e-12));
        Assert.That(schedule.LearningRate(2, 14), Is.EqualTo(0.2).Within(1e-12));
        Assert.That(schedule.LearningRate(2, 1000), Is.EqualTo(0.2).Within(1e-12));
        Assert.That(LearningRateSchedule.Step(10, 0.5).LearningRate(1, 29), Is.EqualTo(0.25));
        Assert.That(LearningRateSchedule.Constant().LearningRate(3, 7), Is.EqualTo(3));
        Assert.That(() => LearningRateSchedule.Cosine(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => LearningRateSchedule.Step(1, double.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }
}
