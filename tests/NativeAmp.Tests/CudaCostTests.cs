namespace NativeAmp.Tests;

/// <summary>
/// The driver calls of an optimizer step, counted by the emulated GPU: the same for any number of parameters, and no
/// wait.
/// </summary>
public sealed class CudaCostTests
{
    [SetUp]
    public void Require() => EmulatedGpu.Require();

    [Test]
    public void A_step_with_a_scaler_makes_the_same_calls_at_any_number_of_parameters_and_waits_for_nothing()
    {
        var one = StepWith(1);
        Assert.That(one.Counters.Launches, Is.EqualTo(3), "check, Adam, scale");
        foreach (int parameters in (int[])[1, 10, 1000])
        {
            var (counters, calls) = StepWith(parameters);
            Assert.That(
                (counters.HostWaits, counters.Allocations, counters.Frees),
                Is.EqualTo((0, 0, 0)),
                $"{parameters} parameters"
            );
            Assert.That(
                (counters.CopiesToDevice, counters.CopiesToHost),
                Is.EqualTo((0, 2)),
                $"{parameters} parameters: what the step and the scale came to"
            );
            Assert.That(counters.Launches, Is.EqualTo(one.Counters.Launches), $"{parameters} parameters");
            Assert.That(calls, Is.EqualTo(one.Calls), $"{parameters} parameters");
        }
    }

    // The second step, with clipping and compute copies: the first loads kernels and registers gradients.
    private static (NampemuCounters Counters, IReadOnlyDictionary<string, long> Calls) StepWith(int count)
    {
        using var device = Device.Cuda();
        TestParameter[] parameters =
        [
            .. Enumerable.Range(0, count).Select(i => new TestParameter(device, $"p{i}", Sizes.Numbers(33, seed: i))),
        ];
        foreach (var parameter in parameters)
        {
            parameter.WithComputeCopy(DType.Float16);
            parameter.SetGradient(new Half[33]);
        }
        using (var optimizer = new FusedAdam(parameters))
        using (var scaler = new GradScaler(device))
        {
            Step();
            EmulatedGpu.ResetCounters();
            Step();
            var counted = (EmulatedGpu.Counters, EmulatedGpu.Calls());
            Assert.That(optimizer.CountAppliedSteps(), Is.EqualTo(2));
            foreach (var parameter in parameters)
                parameter.Dispose();
            return counted;

            void Step()
            {
                scaler.Unscale(optimizer);
                optimizer.ClipGradNorm(1);
                scaler.Step(optimizer);
                scaler.Update();
            }
        }
    }
}
