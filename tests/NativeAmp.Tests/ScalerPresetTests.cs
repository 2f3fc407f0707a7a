namespace NativeAmp.Tests;

/// <summary>
/// Presets change the scale like the frameworks that they are named after, step by step over traces, and end a run at
/// the same step.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class ScalerPresetTests(DeviceKind kind)
{
    private Device _device = null!;

    public static IEnumerable<string> Presets => ["PyTorch", "Keras", "Megatron", "DeepSpeed", "MindSpore"];

    [SetUp]
    public void Open() => _device = kind.Open(1);

    [TearDown]
    public void Close() => _device.Dispose();

    [TestCaseSource(nameof(Presets))]
    public void A_preset_moves_the_scale_as_its_framework_does(string preset)
    {
        var options = Options(preset);
        using OptimizerState good = Checked(1),
            overflown = Checked(float.PositiveInfinity);
        foreach (int trace in kind.IsEmulated() ? [3] : Enumerable.Range(0, 40))
        {
            var oracle = Oracle(preset);
            using var scaler = new GradScaler(_device, options);
            Assert.That(scaler.GetScale(), Is.EqualTo(oracle.Scale));
            int update = 0;
            foreach (bool overflow in Trace(trace).Take(kind.IsEmulated() ? 1100 : 12000))
            {
                AmpKernels.UpdateScale(scaler.DeviceState!, [overflow ? overflown : good], options);
                oracle.Update(overflow);
                if (scaler.GetScale() != oracle.Scale)
                    Assert.Fail($"trace {trace}, update {update}: {scaler.GetScale()}, expected {oracle.Scale}");
                update++;
            }
        }
    }

    [TestCase("DeepSpeed", 1000, 1)]
    [TestCase("Megatron", 1000, 0)]
    [TestCase("PyTorch", 2000, 0)]
    [TestCase("Keras", 2000, 0)]
    [TestCase("MindSpore", 2000, 0)]
    public void The_first_growth_comes_after_as_many_good_steps_and_the_second_after_the_interval(
        string preset,
        int interval,
        int more
    )
    {
        var options = Options(preset);
        Assert.That(options.GrowthInterval, Is.EqualTo(interval));
        if (kind.IsEmulated())
            options = options with { GrowthInterval = interval = 20 };
        using var good = Checked(1);
        using var scaler = new GradScaler(_device, options);
        var changes = new List<int>();
        float before = scaler.GetScale();
        for (int update = 1; changes.Count < 2; update++)
        {
            AmpKernels.UpdateScale(scaler.DeviceState!, [good], options);
            if (scaler.GetScale() == before)
                continue;
            changes.Add(update);
            before = scaler.GetScale();
        }
        Assert.That(changes, Is.EqualTo(new[] { interval + more, 2 * interval + more }));
    }

    [TestCaseSource(nameof(Presets))]
    public void A_run_of_overflows_ends_where_the_framework_ends_it(string preset)
    {
        var options = Options(preset);
        var oracle = Oracle(preset);
        using var scaler = new GradScaler(_device, options);
        using var parameter = new TestParameter(_device, "weight", 1);
        using var optimizer = new FusedAdam([parameter]);
        parameter.SetGradient(float.PositiveInfinity);
        int ended = 0,
            expected = 0;
        for (int update = 1; update <= (preset == "MindSpore" ? 1100 : 200); update++)
        {
            scaler.Step(optimizer);
            oracle.Update(overflow: true);
            if (oracle.Raises && expected == 0)
                expected = update;
            try
            {
                scaler.Update();
            }
            catch (TooManySkipsException failure)
            {
                Assert.That(failure.FirstBadParameter, Is.EqualTo("weight"));
                Assert.That(failure.State.Scale, Is.EqualTo(1));
                ended = update;
                break;
            }
            _device.CurrentStream.Synchronize();
        }

        // The host asks for a GPU's counts only from time to time, and does not wait for the answer. It is there in the
        // next update at the latest, for the device is waited for between updates.
        int asked =
            preset == "MindSpore" ? 1001
            : _device.IsHostMemory ? 1
            : 64;
        int asking = (expected + asked - 1) / asked * asked;
        Assert.That(ended, Is.InRange(asking, _device.IsHostMemory || expected == 0 ? asking : asking + 1));
    }

    [Test]
    public void At_the_floor_it_goes_on_where_nobody_asked_to_stop_and_calls_back_where_that_is_wanted()
    {
        int calls = 0;
        var stays = GradScalerOptions.DeepSpeed with { InitialScale = 2, StopAtMinimumScale = false };
        var calling = GradScalerOptions.DeepSpeed with { InitialScale = 2, OnTooManySkips = state => calls++ };
        using var parameter = new TestParameter(_device, "weight", 1);
        using var optimizer = new FusedAdam([parameter]);
        parameter.SetGradient(float.PositiveInfinity);
        foreach (var options in new[] { stays, calling })
        {
            using var scaler = new GradScaler(_device, options);
            for (int update = 0; update < 129; update++)
            {
                scaler.Step(optimizer);
                scaler.Update();
                _device.CurrentStream.Synchronize();
            }
            Assert.That(scaler.GetScale(), Is.EqualTo(1));
        }
        // Tolerated, halved to the floor, and then every one. On a GPU the 64th and the 128th update ask, and may get
        // the answer one update later.
        Assert.That(calls, Is.EqualTo(_device.IsHostMemory ? 127 : 2));
    }

    [Test]
    public void What_is_said_at_the_floor_names_the_scale()
    {
        using var scaler = new GradScaler(
            _device,
            GradScalerOptions.DeepSpeed with
            {
                InitialScale = 1,
                Hysteresis = 1,
            }
        );
        using var parameter = new TestParameter(_device, "weight", 1);
        using var optimizer = new FusedAdam([parameter]);
        parameter.SetGradient(float.NaN);

        var failure = Assert.Throws<TooManySkipsException>(() =>
        {
            for (int update = 0; update < 65; update++)
            {
                scaler.Step(optimizer);
                scaler.Update();
                _device.CurrentStream.Synchronize();
            }
        })!;

        Assert.That(failure.Message, Does.Contain("loss scale of 1, which is the least"));
    }

    [Test]
    public void A_delay_is_in_the_state_and_goes_on_where_it_was()
    {
        var options = GradScalerOptions.DeepSpeed with { GrowthInterval = 2, FirstGrowthDelay = 3 };
        using var scaler = new GradScaler(_device, options);
        using var good = Checked(1);
        Assert.That(scaler.SaveState().GrowthTracker, Is.EqualTo(-3));
        AmpKernels.UpdateScale(scaler.DeviceState!, [good], options);
        using var resumed = new GradScaler(_device, options);
        resumed.LoadState(scaler.SaveState());
        using var impatient = new GradScaler(_device);

        Assert.That(
            () => impatient.LoadState(scaler.SaveState()),
            Throws.ArgumentException.With.Message.Contains("-2")
        );
        for (int update = 0; update < 3; update++)
            AmpKernels.UpdateScale(resumed.DeviceState!, [good], options);
        Assert.That(resumed.GetScale(), Is.EqualTo(65536));
        AmpKernels.UpdateScale(resumed.DeviceState!, [good], options);
        Assert.That(resumed.GetScale(), Is.EqualTo(131072));
        Assert.That(
            () => new GradScaler(_device, options with { FirstGrowthDelay = -1 }),
            Throws.ArgumentException.With.Message.Contains("FirstGrowthDelay")
        );
    }

    [Test]
    public void A_scale_without_a_finite_inverse_skips_steps_and_says_so()
    {
        using var scaler = new GradScaler(_device, GradScalerOptions.PyTorch with { InitialScale = 2.93873588e-39f });
        using var parameter = new TestParameter(_device, "weight", 1);
        using var optimizer = new FusedAdam([parameter]);
        parameter.SetGradient(0f);

        var result = scaler.Step(optimizer);

        Assert.That((result.Read().Skipped, parameter.Values[0]), Is.EqualTo((true, 1f)));
        Assert.That(result.Read().Reason, Does.Contain("no finite inverse"));
    }

    private static GradScalerOptions Options(string preset) =>
        (GradScalerOptions)typeof(GradScalerOptions).GetProperty(preset)!.GetValue(null)!;

    private static ScalerOracle Oracle(string preset) =>
        preset switch
        {
            "Megatron" => new ScalerOracle.Megatron(4294967296),
            "DeepSpeed" => new ScalerOracle.DeepSpeed(65536),
            "MindSpore" => new ScalerOracle.MindSpore(16777216),
            "Keras" => new ScalerOracle.Torch(32768),
            _ => new ScalerOracle.Torch(65536),
        };

    /// <summary>
    /// Overflows: none; rare or frequent, at random; in bursts that reach the floor; and between good runs about as
    /// long as the intervals.
    /// </summary>
    private static IEnumerable<bool> Trace(int seed)
    {
        var random = new Random(seed);
        while (true)
        {
            int good = (seed % 4) switch
            {
                0 => 100000,
                1 => random.Next(1, seed * 20),
                2 => random.Next(900, 4500),
                _ => (random.Next(2) + 1) * 1000 + random.Next(-3, 4),
            };
            int bad = random.Next(5) == 0 ? random.Next(40, 80) : random.Next(1, 4);
            for (int i = 0; i < good; i++)
                yield return false;
            for (int i = 0; i < bad; i++)
                yield return true;
        }
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
