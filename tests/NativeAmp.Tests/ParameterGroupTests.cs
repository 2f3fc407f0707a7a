namespace NativeAmp.Tests;

/// <summary>Any number of parameter groups: layer-wise decay of a deep model has hundreds.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class ParameterGroupTests(DeviceKind kind)
{
    private Device _device = null!;

    [SetUp]
    public void Open() => _device = kind.Open(2);

    [TearDown]
    public void Close() => _device.Dispose();

    [Test]
    public void Each_group_steps_by_its_own_hyperparameters([Values(64, 65, 500)] int count)
    {
        AdamOptions[] options = [.. Enumerable.Range(0, count).Select(Options)];
        TestParameter[] parameters = [.. options.Select((_, i) => new TestParameter(_device, $"p{i}", 1, -0.5f))];
        AdamOracle[] oracles = [.. options.Select(o => new AdamOracle([1, -0.5], o))];
        using var optimizer = new FusedAdam(parameters.Select((p, i) => new ParameterGroup([p], options[i])));

        for (int step = 0; step < 3; step++)
        {
            for (int i = 0; i < count; i++)
            {
                float[] gradient = Sizes.Numbers(2, seed: 10 * step + i);
                parameters[i].SetGradient(gradient);
                oracles[i].Step([.. gradient.Select(g => (double)g)]);
            }
            optimizer.Step();
        }

        for (int i = 0; i < count; i++)
        {
            Near.Assert(
                parameters[i].Values,
                oracles[i].Parameters,
                relative: 1e-6,
                absolute: 1e-5 * options[i].LearningRate,
                $"group {i}"
            );
            parameters[i].Dispose();
        }
    }

    [Test]
    public void Changes_hold_from_the_next_step_on_and_not_for_one_that_is_under_way([Values(3, 200)] int count)
    {
        TestParameter[] parameters =
        [
            .. Enumerable.Range(0, count).Select(i => new TestParameter(_device, $"p{i}", 0)),
        ];
        ParameterGroup[] groups =
        [
            .. parameters.Select(p => new ParameterGroup(
                [p],
                new AdamOptions
                {
                    WeightDecay = 0,
                    Beta1 = 0,
                    Beta2 = 0,
                }
            )),
        ];
        using var optimizer = new FusedAdam(groups);
        foreach (var parameter in parameters)
            parameter.SetGradient(1f);

        // Without memory of gradients a step of 1 is the rate itself; nothing waits in between.
        double[] expected = new double[count];
        for (int step = 0; step < 20; step++)
        {
            for (int i = 0; i < count; i++)
            {
                double rate = 1.0 / (1 + (step * 7 + i) % 11);
                groups[i].Options = groups[i].Options with { LearningRate = rate };
                expected[i] -= rate;
            }
            optimizer.Step();
        }

        for (int i = 0; i < count; i++)
        {
            Assert.That(parameters[i].Values[0], Is.EqualTo(expected[i]).Within(1e-5), $"group {i}");
            parameters[i].Dispose();
        }
    }

    [Test]
    public void A_step_of_many_groups_allocates_nothing()
    {
        TestParameter[] parameters =
        [
            .. Enumerable.Range(0, 300).Select(i => new TestParameter(_device, $"p{i}", 1, 2)),
        ];
        using var optimizer = new FusedAdam(parameters.Select(p => new ParameterGroup([p], new AdamOptions())))
        {
            Scheduler = LearningRateSchedule.Cosine(100),
        };
        foreach (var parameter in parameters)
            parameter.SetGradient(1f, 2f);
        for (int warm = 0; warm < 5; warm++)
            optimizer.Step();
        long before = GC.GetAllocatedBytesForCurrentThread();

        for (int i = 0; i < 5; i++)
            optimizer.Step();

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Assert.That(optimizer.Groups, Has.Count.EqualTo(300));
        foreach (var parameter in parameters)
            parameter.Dispose();
    }

    private static AdamOptions Options(int i) =>
        new()
        {
            LearningRate = 1e-3 * (1 + i % 17),
            WeightDecay = i % 3 * 0.05,
            Decoupled = i % 2 == 0,
            AmsGrad = i % 5 == 0,
            Maximize = i % 7 == 0,
            Beta1 = 0.9 - 0.001 * (i % 13),
            Epsilon = 1e-4,
        };
}
