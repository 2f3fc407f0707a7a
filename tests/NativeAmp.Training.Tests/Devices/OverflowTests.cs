namespace NativeAmp.Training.Tests.Devices;

/// <summary>A deliberate overflow: the step is skipped, the place is reported, and training recovers.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class OverflowTests(DeviceKind kind)
{
    [Test]
    public void An_overflow_is_skipped_reported_and_recovered_from(
        [ValueSource(typeof(SmallNetwork), nameof(SmallNetwork.Names))] string network,
        [ValueSource(typeof(SmallNetwork), nameof(SmallNetwork.Precisions))] string precision
    )
    {
        using Device device = kind.Open();
        using var run = new SmallNetwork(device, network, precision, initialScale: 256);
        float first = run.Backward(0);
        Assert.That(run.Step().Read().Stepped);

        run.Backward(1);
        Parameter bad = run.Model.Parameters()[2];
        Poison(bad.Gradient!, index: 1);
        float[] before = run.Parameters();
        OptimizerSnapshot state = run.Optimizer.SaveState();
        StepResult skipped = run.Step();

        Assert.That(
            (skipped.Read().Skipped, skipped.Read().Scale, skipped.Read().FirstBadParameter),
            Is.EqualTo((true, 256f, bad.Name))
        );
        Assert.That(
            (skipped.ReadFirstBadFacts()!.Value.FirstNonFiniteIndex, skipped.Read().NonFiniteCount),
            Is.EqualTo((1L, 1L))
        );
        Assert.That(skipped.Read().Reason, Does.Contain($"'{bad.Name}'").And.Contain("256"));
        Assert.That(run.Parameters(), Is.EqualTo(before));
        Assert.That(
            run.Optimizer.SaveState().Parameters.SelectMany(p => p.State["exp_avg"]),
            Is.EqualTo(state.Parameters.SelectMany(p => p.State["exp_avg"]))
        );
        Assert.That(run.Scaler.GetScale(), Is.EqualTo(128f));

        float last = float.NaN;
        for (int step = 2; step < 13; step++)
        {
            last = run.Backward(step);
            Assert.That(run.Step().Read().Stepped, $"step {step}");
        }

        Assert.That(run.Optimizer.CountAppliedSteps(), Is.EqualTo(12));
        Assert.That(last, Is.LessThan(first));
    }

    private static void Poison(Tensor gradient, int index)
    {
        switch (gradient.DType)
        {
            case DType.Float16:
                Poison(gradient, index, Half.PositiveInfinity);
                break;
            case DType.BFloat16:
                Poison(gradient, index, (BFloat16)float.PositiveInfinity);
                break;
            default:
                Poison(gradient, index, float.PositiveInfinity);
                break;
        }
    }

    private static void Poison<T>(Tensor gradient, int index, T value)
        where T : unmanaged
    {
        T[] values = gradient.ToArray<T>();
        values[index] = value;
        gradient.CopyFrom<T>(values);
    }
}
