namespace NativeAmp.Tests;

/// <summary>Optimizers whose state is bfloat16 or codes of 8 bits: its size, its accuracy, saving and changing
/// it.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class CompactStateTests(DeviceKind kind)
{
    private const int Count = 10_000;
    private Device _device = null!;

    [SetUp]
    public void Open() => _device = kind.Open(1);

    [TearDown]
    public void Close() => _device.Dispose();

    [TestCase(StateFormat.Float32, 8.0)]
    [TestCase(StateFormat.BFloat16, 4.0)]
    [TestCase(StateFormat.Dynamic8, 2.03125)]
    [TestCase(StateFormat.Linear8, 2.03125)]
    public void Adams_moments_take_as_many_bytes_as_their_format_says(StateFormat format, double bytesPerElement)
    {
        using var p = new TestParameter(_device, "p", new float[Count]);
        var options = new AdamOptions { StateFormat = format };
        using var optimizer = new FusedAdam([p], options);

        Assert.That(options.StateBytesPerElement, Is.EqualTo(bytesPerElement));
        // Each column's codes and scales begin at 256 bytes.
        Assert.That(optimizer.StateBytes, Is.InRange(Count * bytesPerElement, Count * bytesPerElement + 4 * 256));
    }

    [Test]
    public void The_second_moments_may_have_a_format_of_their_own()
    {
        using var p = new TestParameter(_device, "p", new float[Count]);
        var options = new AdamOptions { StateFormat = StateFormat.BFloat16, SecondMomentFormat = StateFormat.Dynamic8 };
        using var optimizer = new FusedAdam([p], options);

        Assert.That(optimizer.StateBytes, Is.InRange(Count * 3, Count * 3.1 + 768));
    }

    [Test]
    public void Small_parameters_keep_float32()
    {
        using var p = new TestParameter(_device, "p", new float[Count]);
        var options = new LionOptions { StateFormat = StateFormat.Dynamic8, MinimumCompactElements = Count + 1 };
        using var optimizer = new FusedLion([p], options);

        Assert.That(optimizer.StateBytes, Is.InRange(4 * Count, 4 * Count + 256));
    }

    [TestCase(StateFormat.BFloat16, 0.002)]
    [TestCase(StateFormat.Dynamic8, 0.02)]
    [TestCase(StateFormat.Linear8, 0.2)]
    public void Steps_stay_near_those_of_float32_state(StateFormat format, double tolerance)
    {
        float[] exact = Train(new AdamOptions { LearningRate = 0.01 });
        float[] compact = Train(new AdamOptions { LearningRate = 0.01, StateFormat = format });

        double moved = Math.Sqrt(exact.Sum(x => (double)x * x));
        double apart = Math.Sqrt(exact.Zip(compact).Sum(pair => Math.Pow(pair.First - pair.Second, 2)));
        Assert.That(apart / moved, Is.LessThan(tolerance).And.GreaterThan(0));
    }

    [TestCase(StateFormat.BFloat16)]
    [TestCase(StateFormat.Dynamic8)]
    [TestCase(StateFormat.Linear8)]
    public void A_run_goes_on_from_saved_state_with_the_same_bits(StateFormat format)
    {
        var options = new AdamOptions
        {
            LearningRate = 0.01,
            StateFormat = format,
            AmsGrad = true,
        };
        using var p = new TestParameter(_device, "p", new float[Count]);
        using var optimizer = new FusedAdam([p], options);
        Step(optimizer, p, 0, 3);
        OptimizerSnapshot saved = optimizer.SaveState();
        using var q = new TestParameter(_device, "p", p.Values);
        using var resumed = new FusedAdam([q], options);
        resumed.LoadState(saved);

        Step(optimizer, p, 3, 3);
        Step(resumed, q, 3, 3);

        Assert.That(q.Values, Is.EqualTo(p.Values));
        Assert.That(
            resumed.SaveState().Parameters[0].State["max_exp_avg_sq"],
            Is.EqualTo(optimizer.SaveState().Parameters[0].State["max_exp_avg_sq"])
        );
    }

    [Test]
    public void State_of_one_format_loads_into_another_and_back()
    {
        using var p = new TestParameter(_device, "p", new float[Count]);
        using var wide = new FusedAdam([p]);
        Step(wide, p, 0, 3);
        OptimizerSnapshot saved = wide.SaveState();
        using var q = new TestParameter(_device, "p", p.Values);
        using var compact = new FusedAdam([q], new AdamOptions { StateFormat = StateFormat.Dynamic8 });

        compact.LoadState(saved);
        OptimizerSnapshot rounded = compact.SaveState();
        using var r = new TestParameter(_device, "p", p.Values);
        using var back = new FusedAdam([r]);
        back.LoadState(rounded);

        float[] before = saved.Parameters[0].State["exp_avg"];
        float[] after = back.SaveState().Parameters[0].State["exp_avg"];
        Assert.That(after, Is.EqualTo(rounded.Parameters[0].State["exp_avg"]));
        Assert.That(after, Is.Not.EqualTo(before));
        Assert.That(
            after.Zip(before).Max(pair => Math.Abs(pair.First - pair.Second)),
            Is.LessThan(0.01 * before.Max(Math.Abs))
        );
        Assert.That(back.CountAppliedSteps(), Is.EqualTo(3));
    }

    [Test]
    public void A_step_allocates_nothing()
    {
        using var p = new TestParameter(_device, "p", new float[Count]);
        using var optimizer = new FusedAdam([p], new AdamOptions { StateFormat = StateFormat.Dynamic8 });
        p.SetGradient(Gradients(0));
        for (int warm = 0; warm < 5; warm++)
            optimizer.Step();
        long before = GC.GetAllocatedBytesForCurrentThread();

        for (int i = 0; i < 5; i++)
            optimizer.Step();

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void A_format_is_one_of_its_names_and_stays()
    {
        using var p = new TestParameter(_device, "p", new float[Count]);
        Assert.That(
            () => new FusedAdam([p], new AdamOptions { StateFormat = (StateFormat)7 }),
            Throws.ArgumentException.With.Message.Contains("StateFormat")
        );
        Assert.That(
            () => new FusedAdam([p], new AdamOptions { SecondMomentFormat = (StateFormat)7 }),
            Throws.ArgumentException.With.Message.Contains("SecondMomentFormat")
        );
        Assert.That(
            () => new FusedLion([p], new LionOptions { MinimumCompactElements = -1 }),
            Throws.ArgumentException.With.Message.Contains("MinimumCompactElements")
        );
        using var optimizer = new FusedAdam([p], new AdamOptions { StateFormat = StateFormat.BFloat16 });
        Assert.That(
            () => optimizer.Groups[0].Options = new AdamOptions { StateFormat = StateFormat.Dynamic8 },
            Throws.ArgumentException.With.Message.Contains("format")
        );
    }

    private float[] Train(AdamOptions options)
    {
        using var p = new TestParameter(_device, "p", new float[Count]);
        using var optimizer = new FusedAdam([p], options);
        Step(optimizer, p, 0, 10);
        return p.Values;
    }

    private static void Step(FusedOptimizer optimizer, TestParameter p, int first, int steps)
    {
        for (int step = first; step < first + steps; step++)
        {
            p.SetGradient(Gradients(step));
            optimizer.Step();
        }
    }

    // Of magnitudes over four decades, as those of a network's layers are.
    private static float[] Gradients(int step)
    {
        var random = new Random(17 + step);
        return
        [
            .. Enumerable
                .Range(0, Count)
                .Select(i => (float)((random.NextDouble() - 0.3) * Math.Pow(10, -4.0 * i / Count))),
        ];
    }
}
