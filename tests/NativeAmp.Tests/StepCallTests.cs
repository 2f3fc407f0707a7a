namespace NativeAmp.Tests;

/// <summary>The number of native calls of a step on the CPU.</summary>
/// <remarks>The profile covers the process, including tests that run at the same time.</remarks>
[NonParallelizable]
public sealed class StepCallTests
{
    private Device _device = null!;
    private TestParameter[] _parameters = null!;

    [SetUp]
    public void Open()
    {
        _device = Device.Cpu(1);
        _parameters = [.. Enumerable.Range(0, 1000).Select(i => new TestParameter(_device, $"p{i}", 1, 2, 3))];
        foreach (var parameter in _parameters)
        {
            parameter.WithComputeCopy(DType.Float16);
            parameter.SetGradient(1f, 2f, 3f);
        }
    }

    [TearDown]
    public void Close()
    {
        foreach (var parameter in _parameters)
            parameter.Dispose();
        _device.Dispose();
    }

    [Test]
    public void A_step_over_a_thousand_tensors_is_one_native_call([Values] bool checkGradients)
    {
        using var optimizer = new FusedAdam(_parameters)
        {
            CheckGradients = checkGradients,
            Scheduler = LearningRateSchedule.Cosine(100),
        };

        Assert.That(
            CallsOf(() => Repeat(5, () => optimizer.Step())),
            Is.EqualTo(new Dictionary<string, long> { ["namp_optimizer_step"] = 5 })
        );
        Assert.That(optimizer.CountAppliedSteps(), Is.EqualTo(5));
    }

    [Test]
    public void Nor_do_groups_cost_more_calls([Values(1, 64, 1000)] int groups)
    {
        using var optimizer = new FusedAdam(
            _parameters
                .Chunk((_parameters.Length + groups - 1) / groups)
                .Select(p => new ParameterGroup(p, new AdamOptions()))
        )
        {
            Scheduler = LearningRateSchedule.Cosine(100),
        };

        Assert.That(
            CallsOf(() => Repeat(5, () => optimizer.Step())),
            Is.EqualTo(new Dictionary<string, long> { ["namp_optimizer_step"] = 5 })
        );
    }

    [Test]
    public void With_a_scaler_the_scale_costs_one_more()
    {
        using var optimizer = new FusedAdam(_parameters);
        using var scaler = new GradScaler(_device);

        Assert.That(
            CallsOf(() =>
                Repeat(
                    5,
                    () =>
                    {
                        optimizer.ClipGradNorm(1);
                        scaler.Step(optimizer);
                        scaler.Update();
                    }
                )
            ),
            Is.EqualTo(new Dictionary<string, long> { ["namp_optimizer_step"] = 5, ["namp_scaler_update"] = 5 })
        );
        Assert.That(optimizer.CountAppliedSteps(), Is.EqualTo(5));
    }

    [Test]
    public void Gradients_and_compute_copies_that_moved_cost_a_call_a_kind_once_and_are_the_ones_used()
    {
        using var optimizer = new FusedAdam(_parameters);
        optimizer.Step();
        var moved = _parameters[700];
        // Another type needs another buffer.
        moved.SetGradient((Half)1f, (Half)0f, (Half)1f);
        var still = _parameters[701];
        moved.WithComputeCopy(DType.BFloat16);
        float[] before = moved.Values;

        var calls = CallsOf(() => Repeat(2, () => optimizer.Step()));

        Assert.That(
            calls,
            Is.EqualTo(new Dictionary<string, long> { ["namp_optimizer_step"] = 2, ["namp_table_set_column"] = 2 })
        );
        Assert.That(moved.Half<BFloat16>(), Is.EqualTo(Array.ConvertAll(moved.Values, x => (BFloat16)x)));
        Assert.That(moved.Values, Is.Not.EqualTo(still.Values), "the gradient that it has now was used");
        Assert.That(moved.Values, Is.Not.EqualTo(before));
    }

    private static void Repeat(int times, Action action)
    {
        for (int i = 0; i < times; i++)
            action();
    }

    // Only functions that a step might call: finalizers of earlier tests close devices on their own thread.
    private static Dictionary<string, long> CallsOf(Action action)
    {
        NativeProfile.Start();
        try
        {
            action();
        }
        finally
        {
            NativeProfile.Stop();
        }
        string[] others =
        [
            "namp_profile_",
            "namp_device_close",
            "namp_memory_free",
            "namp_table_destroy",
            "namp_event_destroy",
        ];
        return NativeProfile
            .Read()
            .Where(entry => !others.Any(entry.Function.StartsWith))
            .ToDictionary(entry => entry.Function, entry => entry.Calls);
    }
}
