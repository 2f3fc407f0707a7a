namespace NativeAmp.Tests;

/// <summary>
/// Steps are counted for each parameter, as in torch.optim.Adam: a parameter depends only on its own gradients.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class StepCountTests(DeviceKind kind)
{
    private static readonly AdamOptions[] Settings =
    [
        new() { LearningRate = 0.1 },
        new()
        {
            LearningRate = 0.02,
            AmsGrad = true,
            WeightDecay = 0.1,
            Decoupled = false,
            Beta2 = 0.95,
            Maximize = true,
        },
    ];

    // More than a chunk, so that several threads or blocks read one count.
    private static readonly int Length = Sizes.Chunk + 5;

    private Device _device = null!;

    [SetUp]
    public void Open() => _device = kind.Open(2);

    [TearDown]
    public void Close() => _device.Dispose();

    [Test]
    public void The_first_update_is_the_learning_rate_whenever_it_comes([Values(0, 1, 10, 1000)] int stepsBefore)
    {
        using var always = new TestParameter(_device, "always", 1);
        using var late = new TestParameter(_device, "late", 1, 1, 1);
        using var optimizer = new FusedAdam([always, late], new AdamOptions { LearningRate = 0.125, WeightDecay = 0 });
        always.SetGradient(1f);
        for (int i = 0; i < stepsBefore; i++)
            optimizer.Step();

        late.SetGradient(0.5f, -4f, 1e-3f);
        optimizer.Step();

        // lr * g / (|g| + eps)
        Assert.That(late.Values, Is.EqualTo(new[] { 0.875f, 1.125f, 0.875f }).Within(2e-6f));
    }

    [Test]
    public void Gradients_that_come_and_go_step_as_an_optimizer_of_that_parameter_alone(
        [Values(0, 1)] int setting,
        [Values] bool withScaler
    )
    {
        var options = Settings[setting];
        // The steps in which each has a gradient, and the steps that overflow.
        Func<int, bool>[] has = [step => true, step => step >= 4, step => step % 3 == 1, step => step is 2 or 9];
        bool Overflows(int step) => step is 3 or 7;
        TestParameter[] together = [.. has.Select((_, i) => Make(i))],
            alone = [.. has.Select((_, i) => Make(i))];
        using var scaler = new GradScaler(
            _device,
            withScaler ? GradScalerOptions.Static(8) : GradScalerOptions.Disabled
        );
        using var one = new FusedAdam(together, options);
        FusedAdam[] each = [.. alone.Select(p => new FusedAdam([p], options))];

        for (int step = 0; step < 12; step++)
        {
            for (int i = 0; i < has.Length; i++)
            {
                together[i].ClearGradient();
                alone[i].ClearGradient();
                if (!has[i](step))
                    continue;
                float[] gradient = Sizes.Numbers(Length, seed: 100 * step + i);
                alone[i].SetGradient(gradient);
                together[i]
                    .SetGradient(i == 0 && Overflows(step) ? [.. gradient[..^1], float.PositiveInfinity] : gradient);
            }
            Assert.That(scaler.Step(one).Read().Stepped, Is.EqualTo(!Overflows(step)));
            for (int i = 0; i < has.Length; i++)
            {
                if (has[i](step) && !Overflows(step))
                    scaler.Step(each[i]);
            }
            scaler.Update();
        }

        for (int i = 0; i < has.Length; i++)
        {
            Assert.That(together[i].Values, Is.EqualTo(alone[i].Values), $"parameter {i}");
            Assert.That(one.SaveState().Parameters[i].Step, Is.EqualTo(each[i].CountAppliedSteps()), $"parameter {i}");
        }
        Assert.That(one.CountAppliedSteps(), Is.EqualTo(10));
        foreach (var optimizer in each)
            optimizer.Dispose();
        foreach (var parameter in together.Concat(alone))
            parameter.Dispose();
    }

    [Test]
    public void A_state_holds_each_count_and_goes_on_with_the_same_bits([Values(0, 1)] int setting)
    {
        using var a = Make(0);
        using var b = Make(1);
        using var saved = new FusedAdam([a, b], Settings[setting]);
        for (int step = 0; step < 6; step++)
        {
            a.SetGradient(Sizes.Numbers(Length, seed: step));
            if (step >= 4)
                b.SetGradient(Sizes.Numbers(Length, seed: 50 + step));
            saved.Step();
        }
        var state = saved.SaveState();
        Assert.That(state.Parameters.Select(m => m.Step), Is.EqualTo(new[] { 6, 2 }));
        using var p = new TestParameter(_device, "0", a.Values);
        using var q = new TestParameter(_device, "1", b.Values);
        using var loaded = new FusedAdam([q, p], Settings[setting]);
        loaded.LoadState(state);

        foreach (var (optimizer, first, second) in new[] { (saved, a, b), (loaded, p, q) })
        {
            first.SetGradient(Sizes.Numbers(Length, seed: 7));
            second.SetGradient(Sizes.Numbers(Length, seed: 8));
            optimizer.Step();
        }

        Assert.That((p.Values, q.Values), Is.EqualTo((a.Values, b.Values)));
        Assert.That(
            loaded.SaveState().Parameters.Select(m => (m.Name, m.Step)),
            Is.EqualTo(new[] { ("1", 3L), ("0", 7L) })
        );
    }

    [Test]
    public void A_count_that_cannot_be_is_refused_and_changes_nothing()
    {
        using var p = Make(0);
        using var optimizer = new FusedAdam([p]);
        p.SetGradient(Sizes.Numbers(Length, seed: 1));
        optimizer.Step();
        var state = optimizer.SaveState();

        Assert.That(
            () =>
                optimizer.LoadState(
                    state with
                    {
                        Parameters = [state.Parameters[0] with { Step = -1, State = Zeros(state.Parameters[0]) }],
                    }
                ),
            Throws.ArgumentException.With.Message.Contains("'0' cannot have been updated -1 times")
        );

        Assert.That(
            optimizer.SaveState().Parameters[0].State["exp_avg"],
            Is.EqualTo(state.Parameters[0].State["exp_avg"])
        );
        Assert.That(optimizer.SaveState().Parameters[0].Step, Is.EqualTo(1));
    }

    [Test]
    public void Schedules_go_by_the_steps_of_the_optimizer()
    {
        using var always = new TestParameter(_device, "always", 1);
        using var late = new TestParameter(_device, "late", 1);
        using var optimizer = new FusedAdam([always, late], new AdamOptions { LearningRate = 1, WeightDecay = 0 })
        {
            Scheduler = LearningRateSchedule.Step(4, 0.5),
        };
        always.SetGradient(1f);
        for (int i = 0; i < 4; i++)
            optimizer.Step();

        late.SetGradient(1f);
        var result = optimizer.Step();

        Assert.That(result.Read().LearningRate, Is.EqualTo(0.5));
        Assert.That(late.Values[0], Is.EqualTo(0.5f).Within(1e-6f));
        Assert.That(result.Read().AppliedSteps, Is.EqualTo(5));
    }

    [Test]
    public void Counts_by_hand_are_read_and_written_and_checked()
    {
        using var steps = new StepCounts(_device, tensorCount: 3);
        Assert.That(steps.Read(), Is.EqualTo(new long[3]));
        steps.Write([1, 0, long.MaxValue]);

        Assert.That(
            () => steps.Write([1, 2]),
            Throws.ArgumentException.With.Message.Contains("3 tensors and 2 counts")
        );
        Assert.That(() => steps.Write([1, -2, 3]), Throws.ArgumentException.With.Message.Contains("-2"));

        Assert.That(steps.Read(), Is.EqualTo(new[] { 1, 0, long.MaxValue }));
        Assert.That(() => new StepCounts(_device, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private TestParameter Make(int index) => new(_device, $"{index}", Sizes.Numbers(Length, seed: 1000 + index));

    private static Dictionary<string, float[]> Zeros(ParameterSnapshot like) =>
        like.State.ToDictionary(column => column.Key, column => new float[column.Value.Length]);
}
