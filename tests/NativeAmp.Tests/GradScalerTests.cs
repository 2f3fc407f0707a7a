using System.Text.Json;

namespace NativeAmp.Tests;

/// <summary>The contract of torch.amp.GradScaler, and the additions to it.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class GradScalerTests(DeviceKind kind)
{
    private Device _device = null!;
    private TestParameter _parameter = null!;
    private FusedAdam _optimizer = null!;

    public static IEnumerable<int> GoldenCases => Enumerable.Range(0, Golden.Cases("scaler.json").GetArrayLength());

    [SetUp]
    public void Open()
    {
        _device = kind.Open(1);
        _parameter = new TestParameter(_device, "weight", 1, 2, 3);
        _optimizer = new FusedAdam([_parameter]);
    }

    [TearDown]
    public void Close()
    {
        _optimizer.Dispose();
        _parameter.Dispose();
        _device.Dispose();
    }

    [TestCaseSource(nameof(GoldenCases))]
    public void The_PyTorch_preset_moves_the_scale_as_PyTorch_does_bit_for_bit(int index)
    {
        JsonElement golden = Golden.Cases("scaler.json")[index];
        using var scaler = new GradScaler(
            _device,
            GradScalerOptions.PyTorch with
            {
                InitialScale = golden.GetProperty("init").Float(),
                GrowthFactor = golden.GetProperty("growthFactor").GetDouble(),
                BackoffFactor = golden.GetProperty("backoffFactor").GetDouble(),
                GrowthInterval = golden.GetProperty("growthInterval").GetInt32(),
            }
        );
        using OptimizerState good = Checked(1),
            overflown = Checked(float.PositiveInfinity);
        float[] found = golden.GetProperty("foundInf").Floats(),
            scales = golden.GetProperty("scales").Floats(),
            trackers = golden.GetProperty("trackers").Floats();
        for (int i = 0; i < found.Length; i++)
        {
            AmpKernels.UpdateScale(scaler.DeviceState!, [found[i] != 0 ? overflown : good], scaler.Options);

            var after = scaler.SaveState();
            if ((after.Scale, after.GrowthTracker) != (scales[i], (int)trackers[i]))
                Assert.Fail(
                    $"after update {i}: {after.Scale}, {after.GrowthTracker}, expected {scales[i]}, {trackers[i]}"
                );
        }
    }

    [Test]
    public void Unscaling_twice_is_an_error()
    {
        using var scaler = new GradScaler(_device);
        _parameter.SetGradient(1f, 2f, 3f);
        scaler.Unscale(_optimizer);

        Assert.That(
            () => scaler.Unscale(_optimizer),
            Throws.InvalidOperationException.With.Message.Contains("already been called")
        );
    }

    [Test]
    public void Unscaling_after_the_step_is_an_error()
    {
        using var scaler = new GradScaler(_device);
        _parameter.SetGradient(1f, 2f, 3f);
        scaler.Step(_optimizer);

        Assert.That(
            () => scaler.Unscale(_optimizer),
            Throws.InvalidOperationException.With.Message.Contains("after Step")
        );
    }

    [Test]
    public void Stepping_twice_without_an_update_is_an_error_and_changes_nothing()
    {
        using var scaler = new GradScaler(_device);
        _parameter.SetGradient(1f, 2f, 3f);
        scaler.Step(_optimizer);
        float[] before = _parameter.Values;

        Assert.That(
            () => scaler.Step(_optimizer),
            Throws.InvalidOperationException.With.Message.Contains("already been called")
        );
        Assert.That(_parameter.Values, Is.EqualTo(before));
        scaler.Update();
        Assert.That(() => scaler.Step(_optimizer), Throws.Nothing);
    }

    [Test]
    public void Updating_without_a_check_is_an_error()
    {
        using var scaler = new GradScaler(_device);
        Assert.That(
            scaler.Update,
            Throws.InvalidOperationException.With.Message.Contains("No inf checks were recorded")
        );

        _parameter.SetGradient(1f, 2f, 3f);
        scaler.Step(_optimizer);
        scaler.Update();
        Assert.That(scaler.Update, Throws.InvalidOperationException);
    }

    [Test]
    public void An_optimizer_without_gradients_is_an_error()
    {
        using var scaler = new GradScaler(_device);
        Assert.That(
            () => scaler.Step(_optimizer),
            Throws.InvalidOperationException.With.Message.Contains("No inf checks were recorded")
        );
        Assert.That(() => scaler.Unscale(_optimizer), Throws.InvalidOperationException);
    }

    [Test]
    public void Float32_gradients_are_unscaled_once_whether_asked_for_or_not([Values] bool explicitly)
    {
        using var scaler = new GradScaler(_device, GradScalerOptions.Static(8));
        using var plain = new TestParameter(_device, "plain", 1, 2, 3);
        using var plainOptimizer = new FusedAdam([plain]);
        _parameter.SetGradient(8f, -16f, 0.8f);
        plain.SetGradient(1f, -2f, 0.1f);

        if (explicitly)
        {
            scaler.Unscale(_optimizer);
            Assert.That(_parameter.Gradients, Is.EqualTo(new[] { 1f, -2f, 0.1f }));
        }
        scaler.Step(_optimizer);
        plainOptimizer.Step();

        Assert.That(_parameter.Values, Is.EqualTo(plain.Values));
    }

    [Test]
    public void Half_gradients_keep_their_scale_in_memory_unless_asked()
    {
        using var scaler = new GradScaler(_device, GradScalerOptions.Static(65536));
        Half[] tiny = [(Half)0.001f, (Half)0.002f, (Half)0.003f];
        _parameter.SetGradient(tiny);

        scaler.Unscale(_optimizer);
        Assert.That(Bits(_optimizer), Is.EqualTo(false));
        scaler.Step(_optimizer);
        scaler.Update();
        scaler.Unscale(_optimizer, inPlace: true);
        Assert.That(Bits(_optimizer), Is.EqualTo(true));

        static bool Bits(FusedAdam optimizer) => optimizer.State.Read().Unscaled;
    }

    [Test]
    public void An_overflow_in_one_optimizer_skips_that_one_and_backs_the_shared_scale_off()
    {
        using var scaler = new GradScaler(_device);
        using var other = new TestParameter(_device, "other", 1, 2);
        using var otherOptimizer = new FusedAdam([other]);
        _parameter.SetGradient(1f, float.PositiveInfinity, 3f);
        other.SetGradient(1f, 2f);

        var skipped = scaler.Step(_optimizer);
        var applied = scaler.Step(otherOptimizer);
        scaler.Update();

        Assert.That((skipped.Read().Skipped, applied.Read().Stepped), Is.EqualTo((true, true)));
        Assert.That(_parameter.Values, Is.EqualTo(new[] { 1f, 2f, 3f }));
        Assert.That(other.Values, Is.Not.EqualTo(new[] { 1f, 2f }));
        Assert.That(scaler.GetScale(), Is.EqualTo(32768));
    }

    [Test]
    public void A_skipped_step_tells_where_and_at_which_scale()
    {
        using var scaler = new GradScaler(_device);
        _parameter.SetGradient(1f, float.NaN, -7f);

        var result = scaler.Step(_optimizer);
        scaler.Update();

        Assert.That(result.Read().FirstBadParameter, Is.EqualTo("weight"));
        Assert.That(result.ReadFirstBadFacts()!.Value.FirstNonFiniteIndex, Is.EqualTo(1));
        Assert.That(result.ReadFirstBadFacts()!.Value.LargestMagnitude, Is.EqualTo(7));
        Assert.That(result.Read().NonFiniteCount, Is.EqualTo(1));
        Assert.That(result.Read().Scale, Is.EqualTo(65536));
        Assert.That(result.Read().Reason, Does.Contain("'weight'").And.Contains("65536"));
        Assert.That(result.Read().AppliedSteps, Is.Zero);
    }

    [Test]
    public void A_static_scale_stays_and_still_skips()
    {
        using var scaler = new GradScaler(_device, GradScalerOptions.Static(128));
        for (int step = 0; step < 5; step++)
        {
            _parameter.SetGradient(1f, step % 2 == 0 ? float.PositiveInfinity : 2f, 3f);
            Assert.That(scaler.Step(_optimizer).Read().Skipped, Is.EqualTo(step % 2 == 0));
            scaler.Update();
            Assert.That(scaler.GetScale(), Is.EqualTo(128));
        }
    }

    [Test]
    public void Disabled_it_steps_as_the_optimizer_alone_and_never_complains()
    {
        using var scaler = new GradScaler(_device, GradScalerOptions.Disabled);
        _parameter.SetGradient(1f, 2f, 3f);

        scaler.Unscale(_optimizer);
        scaler.Unscale(_optimizer);
        scaler.Step(_optimizer);
        scaler.Step(_optimizer);
        scaler.Update();
        scaler.Update();

        Assert.That((scaler.IsEnabled, scaler.GetScale(), scaler.ScalePointer), Is.EqualTo((false, 1f, (nint)0)));
        Assert.That(_optimizer.CountAppliedSteps(), Is.EqualTo(2));
    }

    [Test]
    public void State_that_is_saved_and_loaded_goes_on_the_same()
    {
        var options = GradScalerOptions.Megatron with { GrowthInterval = 3 };
        using var one = new GradScaler(_device, options);
        using var two = new GradScaler(_device, options);
        var random = new Random(3);
        for (int step = 0; step < 40; step++)
        {
            bool overflow = random.Next(3) == 0;
            foreach (var scaler in step < 20 ? [one] : new[] { one, two })
            {
                _parameter.SetGradient(1f, overflow ? float.NaN : 1f, 1f);
                scaler.Step(_optimizer);
                scaler.Update();
            }
            if (step == 19)
                two.LoadState(one.SaveState());
            if (step >= 19)
                Assert.That(two.SaveState(), Is.EqualTo(one.SaveState()), $"step {step}");
        }
        Assert.That(one.SaveState().Updates, Is.EqualTo(40));
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    [TestCase(-1f)]
    public void A_scale_that_is_impossible_is_refused_and_changes_nothing(float scale)
    {
        using var scaler = new GradScaler(_device);
        var before = scaler.SaveState();

        Assert.That(() => scaler.LoadState(before with { Scale = scale }), Throws.ArgumentException);
        Assert.That(
            () => scaler.LoadState(before with { GrowthTracker = int.MaxValue }),
            Throws.ArgumentException.With.Message.Contains("2^31")
        );
        Assert.That(
            () => scaler.LoadState(before with { Updates = long.MaxValue }),
            Throws.ArgumentException.With.Message.Contains("2^63")
        );
        Assert.That(() => scaler.Update(scale), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(
            () => new GradScaler(_device, new GradScalerOptions { InitialScale = scale }),
            Throws.ArgumentException
        );
        Assert.That(scaler.SaveState(), Is.EqualTo(before));
    }

    [Test]
    public void By_default_the_scale_never_loses_its_inverse()
    {
        using var scaler = new GradScaler(_device);
        for (int step = 0; step < 200; step++)
        {
            _parameter.SetGradient(1f, float.NaN, 1f);
            scaler.Step(_optimizer);
            scaler.Update();
        }
        Assert.That(float.IsNormal(scaler.GetScale()) && float.IsNormal(1 / scaler.GetScale()));
    }

    // A GPU's counts are sent for by an update and looked at without waiting, in that update if they are there already
    // and else in a later one. Here the device is waited for between updates, so the next one is the latest.
    [Test]
    public void Too_many_skips_in_a_row_throw_and_name_the_parameter()
    {
        using var scaler = new GradScaler(_device, new GradScalerOptions { MaximumConsecutiveSkips = 3 });
        for (int update = 1; update < 3; update++)
            Assert.That(() => Skip(scaler), Throws.Nothing, $"update {update}");

        var failure = Assert.Throws<TooManySkipsException>(() =>
        {
            Skip(scaler);
            if (!_device.IsHostMemory)
                Skip(scaler);
        })!;

        Assert.That(failure.State.ConsecutiveSkips, Is.InRange(3, _device.IsHostMemory ? 3 : 4));
        Assert.That(failure.FirstBadParameter, Is.EqualTo("weight"));
        Assert.That(() => scaler.Step(_optimizer), Throws.Nothing, "the update was done");
    }

    [Test]
    public void Too_many_skips_in_a_row_call_back_instead_if_asked()
    {
        var seen = new List<int>();
        using var scaler = new GradScaler(
            _device,
            new GradScalerOptions { MaximumConsecutiveSkips = 2, OnTooManySkips = s => seen.Add(s.ConsecutiveSkips) }
        );
        for (int update = 0; update < 5; update++)
            Skip(scaler);

        int late = _device.IsHostMemory ? 0 : 1;
        Assert.That(seen, Has.Count.EqualTo(2));
        Assert.That(seen[0], Is.InRange(2, 2 + late));
        Assert.That(seen[1], Is.InRange(4, 4 + late));
    }

    /// <summary>A step that overflows, its update, and the wait for the device.</summary>
    private void Skip(GradScaler scaler)
    {
        _parameter.SetGradient(1f, float.NaN, 1f);
        scaler.Step(_optimizer);
        scaler.Update();
        _device.CurrentStream.Synchronize();
    }

    /// <summary>An optimizer's state after a check of one gradient.</summary>
    private OptimizerState Checked(float gradient)
    {
        using var buffer = _device.Allocate<float>([gradient]);
        using var table = TensorTable.Create(_device, [1], [buffer.ToCell()]);
        var state = new OptimizerState(_device);
        AmpKernels.UnscaleAndCheck(table, 0, scaler: null, state);
        return state;
    }
}
