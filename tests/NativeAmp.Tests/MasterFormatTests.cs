namespace NativeAmp.Tests;

/// <summary>Optimizers over half-precision parameters: with masters by remainders, and without masters.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class MasterFormatTests(DeviceKind kind)
{
    private const int Count = 5_000;
    private static readonly AdamOptions NoMasters = new()
    {
        LearningRate = 0.01,
        MasterFormat = MasterFormat.None,
        WeightRounding = Rounding.Stochastic,
        RoundingSeed = 3,
    };
    private static readonly AdamOptions Remainders = new() { LearningRate = 0.01, StateFormat = StateFormat.BFloat16 };
    private readonly List<DeviceBuffer> _buffers = [];
    private Device _device = null!;

    [SetUp]
    public void Open() => _device = kind.Open(1);

    [TearDown]
    public void Close()
    {
        foreach (DeviceBuffer buffer in _buffers)
            buffer.Dispose();
        _buffers.Clear();
        _device.Dispose();
    }

    [Test]
    public void With_remainders_the_masters_have_the_bits_of_float32_parameters()
    {
        (MemoryParameter wide, DeviceBuffer exact) = Make<float>(1);
        (MemoryParameter narrow, DeviceBuffer values) = Make<BFloat16>((BFloat16)1);
        using var whole = new FusedAdam([wide], Remainders);
        using var split = new FusedAdam([narrow], Remainders);

        Step(whole, wide, 0, 5);
        Step(split, narrow, 0, 5);

        float[] masters = exact.ToArray<float>();
        Assert.That(split.SaveState().Parameters[0].State["master"], Is.EqualTo(masters));
        // Nearest, within half of a last place of 2^-8 of the value.
        float[] upper = Floats(values);
        Assert.That(upper.Zip(masters).Max(pair => Math.Abs(pair.First / pair.Second - 1)), Is.LessThan(0.00391));
        Assert.That(upper, Is.Not.EqualTo(masters));
    }

    [Test]
    public void A_remainder_takes_two_bytes_and_no_master_none()
    {
        using var split = new FusedAdam([Make<BFloat16>(default).Parameter], Remainders);
        using var alone = new FusedAdam(
            [Make<BFloat16>(default).Parameter],
            Remainders with
            {
                MasterFormat = MasterFormat.None,
            }
        );
        using var whole = new FusedAdam([Make<float>(0).Parameter], Remainders);

        Assert.That(split.StateBytes - alone.StateBytes, Is.InRange(2 * Count, 2 * Count + 256));
        Assert.That(whole.StateBytes, Is.EqualTo(alone.StateBytes));
    }

    [Test]
    public void Without_masters_small_steps_move_parameters_only_if_they_are_rounded_stochastically()
    {
        var options = new SgdOptions { LearningRate = 0.001, MasterFormat = MasterFormat.None };
        float[] nearest = Train(options);
        float[] stochastic = Train(options with { WeightRounding = Rounding.Stochastic });

        Assert.That(nearest, Is.All.EqualTo(1f));
        // 50 steps of 0.001; five deviations of the mean of roundings by at most a place of 2^-8.
        Assert.That(stochastic.Average(x => (double)x), Is.EqualTo(0.95).Within(5 * Math.Sqrt(50.0 / Count) / 512));

        float[] Train(SgdOptions with)
        {
            (MemoryParameter parameter, DeviceBuffer values) = Make<BFloat16>((BFloat16)1);
            using var optimizer = new FusedSgd([parameter], with);
            DeviceBuffer gradient = Allocate<BFloat16>([.. Enumerable.Repeat((BFloat16)1, Count)]);
            parameter.Gradient = gradient.ToCell();
            for (int step = 0; step < 50; step++)
                optimizer.Step();
            return Floats(values);
        }
    }

    [TestCase(MasterFormat.Remainder)]
    [TestCase(MasterFormat.None)]
    public void A_run_goes_on_from_saved_state_with_the_same_bits(MasterFormat format)
    {
        AdamOptions options = NoMasters with { MasterFormat = format };
        (MemoryParameter first, DeviceBuffer values) = Make<BFloat16>((BFloat16)1);
        using var optimizer = new FusedAdam([first], options);
        Step(optimizer, first, 0, 3);
        OptimizerSnapshot saved = optimizer.SaveState();
        (MemoryParameter second, DeviceBuffer others) = Make<BFloat16>(default);
        // A remainder's master brings the parameter; without one its owner does.
        if (format == MasterFormat.None)
            others.CopyFrom<BFloat16>(values.ToArray<BFloat16>());
        using var resumed = new FusedAdam([second], options);
        resumed.LoadState(saved);

        Step(optimizer, first, 3, 3);
        Step(resumed, second, 3, 3);

        Assert.That(others.ToArray<BFloat16>(), Is.EqualTo(values.ToArray<BFloat16>()));
        Assert.That(
            resumed.SaveState().Parameters[0].State.GetValueOrDefault("master"),
            Is.EqualTo(optimizer.SaveState().Parameters[0].State.GetValueOrDefault("master"))
        );
    }

    [Test]
    public void Every_format_loads_every_others_state()
    {
        (MemoryParameter from, DeviceBuffer values) = Make<BFloat16>((BFloat16)1);
        using var split = new FusedAdam([from], Remainders);
        Step(split, from, 0, 3);
        OptimizerSnapshot saved = split.SaveState();
        (MemoryParameter to, DeviceBuffer rounded) = Make<Half>(default);
        using var alone = new FusedAdam([to], NoMasters);
        (MemoryParameter wide, DeviceBuffer own) = Make<float>(7);
        using var whole = new FusedAdam([wide]);
        using var back = new FusedAdam([from], Remainders);

        alone.LoadState(saved);
        whole.LoadState(saved);
        back.LoadState(alone.SaveState());

        float[] masters = saved.Parameters[0].State["master"];
        Assert.That(rounded.ToArray<Half>(), Is.EqualTo(Array.ConvertAll(masters, x => (Half)x)));
        Assert.That(own.ToArray<float>(), Is.All.EqualTo(7f), "float32 parameters are loaded by their owner");
        Assert.That(back.SaveState().Parameters[0].State["master"], Is.EqualTo(Floats(values)), "remainders of 0");
    }

    [Test]
    public void A_master_of_another_size_is_refused_and_nothing_changes()
    {
        (MemoryParameter parameter, DeviceBuffer values) = Make<BFloat16>((BFloat16)1);
        using var optimizer = new FusedAdam([parameter], Remainders);
        ParameterSnapshot saved = optimizer.SaveState().Parameters[0];
        var state = new Dictionary<string, float[]>(saved.State) { ["master"] = new float[Count - 1] };

        Assert.That(
            () => optimizer.LoadState(new OptimizerSnapshot { Step = 1, Parameters = [saved with { State = state }] }),
            Throws.ArgumentException.With.Message.Contains("The master of 'w' has 4999 elements")
        );
        Assert.That(Floats(values), Is.All.EqualTo(1f));
    }

    [Test]
    public void A_format_is_one_of_its_names_and_fits_the_parameter()
    {
        MemoryParameter half = Make<Half>(default).Parameter;
        Assert.That(
            () => new FusedAdam([half]),
            Throws.ArgumentException.With.Message.Contains("'w' is float16, and only bfloat16 has a remainder")
        );
        Assert.That(
            () => new FusedAdam([half], new AdamOptions { MasterFormat = (MasterFormat)9 }),
            Throws.ArgumentException.With.Message.Contains("MasterFormat")
        );
        using var optimizer = new FusedAdam([half], NoMasters);
        Assert.That(
            () => optimizer.Groups[0].Options = NoMasters with { MasterFormat = MasterFormat.Remainder },
            Throws.ArgumentException.With.Message.Contains("MasterFormat")
        );
    }

    private static void Step(FusedOptimizer optimizer, MemoryParameter parameter, int first, int steps)
    {
        for (int step = first; step < first + steps; step++)
        {
            var random = new Random(step);
            BFloat16[] values = [.. Enumerable.Range(0, Count).Select(_ => (BFloat16)(random.NextSingle() - 0.3f))];
            using DeviceBuffer gradient = parameter.Device.Allocate<BFloat16>(values);
            parameter.Gradient = gradient.ToCell();
            optimizer.Step();
            parameter.ClearGradient();
        }
    }

    private static float[] Floats(DeviceBuffer values) => Array.ConvertAll(values.ToArray<BFloat16>(), x => (float)x);

    private (MemoryParameter Parameter, DeviceBuffer Values) Make<T>(T value)
        where T : unmanaged
    {
        DeviceBuffer values = Allocate<T>([.. Enumerable.Repeat(value, Count)]);
        return (new MemoryParameter("w", _device, values.ToCell(), Count), values);
    }

    private DeviceBuffer Allocate<T>(T[] values)
        where T : unmanaged
    {
        DeviceBuffer buffer = _device.Allocate<T>(values);
        _buffers.Add(buffer);
        return buffer;
    }
}
