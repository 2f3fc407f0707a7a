using NativeAmp.Training.Tests.Devices;

namespace NativeAmp.Training.Tests;

/// <summary>
/// The host never waits for a GPU in a training step, as counted by the emulated one. It reads a step's outcome after
/// the next step was submitted.
/// </summary>
internal sealed class TrainerWaitTests
{
    [SetUp]
    public void Require() => EmulatedGpu.Require();

    [TestCase(NonFiniteLoss.Stop)]
    [TestCase(NonFiniteLoss.GoOn)]
    public void A_step_makes_no_host_wait_with_schedule_scaler_clipping_and_progress(NonFiniteLoss onNonFiniteLoss)
    {
        Assert.That(
            Waits(steps: 40, onNonFiniteLoss),
            Is.EqualTo(Waits(steps: 10, onNonFiniteLoss)),
            "host waits of 30 steps more"
        );
    }

    [Test]
    public void Every_step_is_reported_in_order_and_none_is_left()
    {
        List<long> steps = [];
        Run(10, NonFiniteLoss.Stop, step => steps.Add(step.Step));
        Assert.That(steps, Is.EqualTo(Enumerable.Range(1, 10)));
    }

    [Test]
    public void Losses_rates_and_scales_are_those_of_the_CPU()
    {
        List<StepReport> onGpu = [],
            onCpu = [];
        Run(12, NonFiniteLoss.Stop, onGpu.Add, initialScale: 3e7f);
        Run(12, NonFiniteLoss.Stop, onCpu.Add, initialScale: 3e7f, DeviceKind.Cpu);
        Assert.That(
            onGpu.Select(step => (step.Step, step.Scale, step.Skipped, step.SkippedSoFar, step.LearningRate)),
            Is.EqualTo(
                onCpu.Select(step => (step.Step, step.Scale, step.Skipped, step.SkippedSoFar, step.LearningRate))
            )
        );
        Assert.That(onGpu.Count(step => step.Skipped), Is.InRange(1, 11), "skipped steps do not move the schedule");
        for (int i = 0; i < 12; i++)
            Assert.That((double)onGpu[i].Loss, Is.EqualTo((double)onCpu[i].Loss).Within(0.1).Percent);
    }

    private static ulong Waits(int steps, NonFiniteLoss onNonFiniteLoss)
    {
        EmulatedGpu.ResetCounters();
        Run(steps, onNonFiniteLoss, _ => { });
        return EmulatedGpu.Counters.HostWaits;
    }

    private static void Run(
        int steps,
        NonFiniteLoss onNonFiniteLoss,
        Action<StepReport> seen,
        float initialScale = 1024,
        DeviceKind kind = DeviceKind.Cuda
    )
    {
        using Device device = kind.Open(1);
        var random = new RandomGenerator(5);
        using var model = new Sequential(
            new Linear(6, 8, random: random),
            new Gelu(),
            new Linear(8, 3, random: random)
        );
        using var trainer = new Trainer(
            model,
            new Points(400, 6, 3),
            test: null,
            device,
            new TrainerOptions
            {
                Steps = steps,
                Batch = 8,
                Optimizer = new AdamOptions { LearningRate = 1e-2 },
                Schedule = new LinearWarmup(steps),
                Precision = PrecisionPolicy.Float16,
                Scaler = new GradScalerOptions { InitialScale = initialScale, MaximumConsecutiveSkips = 100 },
                ClipNorm = 1,
                OnNonFiniteLoss = onNonFiniteLoss,
                Random = random,
            }
        );
        trainer.StepCompleted += (_, step) => seen(step);
        trainer.Run();
    }

    private sealed class LinearWarmup(int steps) : ILearningRateScheduler
    {
        public double LearningRate(double learningRate, long appliedSteps) => learningRate * (appliedSteps + 1) / steps;
    }
}
