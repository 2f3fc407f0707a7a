namespace NativeAmp.Training.Tests.Devices;

/// <summary>The same networks on the GPU and on the CPU: the same losses, skips and scales.</summary>
internal sealed class DevicesAgreeTests
{
    private const int Steps = 20;

    // So large that the first steps overflow only in float16.
    private const float InitialScale = 1 << 24;

    [Test]
    public void Training_follows_the_CPU_s(
        [ValueSource(typeof(SmallNetwork), nameof(SmallNetwork.Names))] string network,
        [ValueSource(typeof(SmallNetwork), nameof(SmallNetwork.Precisions))] string precision
    )
    {
        using Device gpu = DeviceKind.Cuda.Open();
        using Device cpu = DeviceKind.Cpu.Open();
        using var there = new SmallNetwork(gpu, network, precision, InitialScale);
        using var here = new SmallNetwork(cpu, network, precision, InitialScale);
        var skipped = new List<bool>();
        float first = float.NaN,
            last = float.NaN;
        for (int step = 0; step < Steps; step++)
        {
            float expected = here.Backward(step),
                actual = there.Backward(step);
            Assert.That((double)actual, Is.EqualTo((double)expected).Within(1).Percent, $"loss of step {step}");
            StepResult onCpu = here.Step(),
                onGpu = there.Step();
            Assert.That(
                (onGpu.Read().Skipped, onGpu.Read().Scale),
                Is.EqualTo((onCpu.Read().Skipped, onCpu.Read().Scale)),
                $"found_inf and scale of step {step}"
            );
            Assert.That(onGpu.Read().FirstBadParameter, Is.EqualTo(onCpu.Read().FirstBadParameter), $"step {step}");
            skipped.Add(onCpu.Read().Skipped);
            (first, last) = (step == 0 ? actual : first, actual);
        }

        Assert.That(there.Scaler.SaveState(), Is.EqualTo(here.Scaler.SaveState()));
        Assert.That(skipped[0], Is.EqualTo(precision == "float16"), "the first step overflows in float16");
        Assert.That(skipped.Count(skip => !skip), Is.GreaterThan(10), "most steps were taken");
        Assert.That(last, Is.LessThan(first), "it learned");
    }
}
