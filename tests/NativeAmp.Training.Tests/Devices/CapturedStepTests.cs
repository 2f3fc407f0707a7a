namespace NativeAmp.Training.Tests.Devices;

/// <summary>A step that is captured as a graph does what its calls do, to the last bit, and says what cannot
/// be.</summary>
internal sealed class CapturedStepTests
{
    private const int Steps = 36;

    [Test]
    public void Its_steps_have_the_bits_of_calls_over_a_scaler_that_skips_a_schedule_dropout_and_clipping()
    {
        using Device device = DeviceKind.Cuda.Open();
        using var calls = new CapturedLoop(device);
        using var captured = new CapturedLoop(device);
        calls.Run(0, Steps);
        captured.RunCaptured(0, Steps);
        Assert.That(captured.Step.IsCaptured);
        Assert.That(captured.Steps, Is.EqualTo(calls.Steps));
        Assert.That(captured.State(), Is.EqualTo(calls.State()));
        // Skips and growths lie behind the capture, too.
        Assert.That(calls.Steps.Skip(3).Count(step => step.Outcome.Skipped), Is.InRange(2, 20));
        Assert.That(calls.Steps.Select(step => step.Outcome.LearningRate).Distinct().Count(), Is.GreaterThan(15));
        Assert.That(calls.Steps.Count(step => step.Outcome.ClipCoefficient < 1), Is.GreaterThan(5));
        Assert.That(calls.Steps.Select(step => step.Loss).Distinct().Count(), Is.GreaterThan(30), "masks differ");
    }

    [Test]
    public void A_step_is_one_launch_and_the_host_waits_for_nothing()
    {
        EmulatedGpu.Require();
        using Device device = DeviceKind.Cuda.Open();
        using var loop = new CapturedLoop(device);
        loop.RunCaptured(0, 3);
        EmulatedGpu.ResetCounters();
        loop.RunCaptured(3, 10, reads: false);
        NampemuCounters counted = EmulatedGpu.Counters;
        Assert.That((counted.Launches, counted.Gemms, counted.HostWaits), Is.EqualTo((10ul, 0ul, 0ul)));
        Assert.That(counted.GraphLaunches, Is.GreaterThan(300));
        Assert.That(EmulatedGpu.Calls().GetValueOrDefault("cuGraphLaunch"), Is.EqualTo(10));
    }

    [Test]
    public void Other_work_may_come_between_its_calls()
    {
        using Device device = DeviceKind.Cuda.Open();
        string[] states = [.. new[] { false, true }.Select(Take)];
        Assert.That(states[1], Is.EqualTo(states[0]));

        string Take(bool captured)
        {
            using var loop = new CapturedLoop(device);
            Action<int, int> run = captured ? (first, count) => loop.RunCaptured(first, count) : loop.Run;
            run(0, 12);
            float loss = loop.Evaluate();
            run(12, 2);
            // Another shape, and so other gradients' memory in between; the bits are those of calls all the same.
            loop.RunSmall(20);
            run(14, 2);
            // A step that leaves a parameter out changes the optimizer's table.
            Parameter frozen = loop.Model.Parameters()[^1];
            frozen.RequiresGrad = false;
            loop.RunSmall(21);
            frozen.RequiresGrad = true;
            // Values that are set from outside reach the compute copies.
            foreach (Parameter parameter in loop.Model.Parameters())
                parameter.CopyFrom<float>([.. parameter.ToFloats().Select(value => value * 0.5f)]);
            run(16, 2);
            loop.Scaler.Update(256);
            run(18, 2);
            // Memory that the launches use is nobody else's.
            using (DeviceBuffer noise = device.Allocate(DType.UInt8, 1 << 20))
            {
                device.FillMemory(noise.Pointer, 255, noise.Bytes);
                Tensor[] garbage =
                [
                    .. Enumerable.Range(1, 200).Select(i => Tensor.From(device, new float[i * 16], [i * 16])),
                ];
                run(20, 2);
                foreach (Tensor tensor in garbage)
                    tensor.Dispose();
            }

            device.TrimMemory();
            run(22, 2);
            Assert.That(loop.Step.IsCaptured, Is.EqualTo(captured));
            return $"{loss} {string.Join('\n', loop.Steps)} {loop.State()}";
        }
    }

    [Test]
    public void A_step_that_reads_its_loss_is_refused_by_name_and_nothing_has_changed()
    {
        using Device device = DeviceKind.Cuda.Open();
        using var calls = new CapturedLoop(device);
        calls.Run(0, 6);
        CapturedLoop? reading = null;
        using var loop = reading = new CapturedLoop(device, () => reading!.Optimizer.LastStep.Read());
        loop.RunCaptured(0, 2);
        string before = loop.State();
        loop.Write(2);
        var refused = Assert.Throws<GraphCaptureException>(() => loop.Step.Run());
        Assert.That(refused!.Message, Does.StartWith("A graph cannot be captured: ").And.Contains("namp_event_"));
        Assert.That(loop.Step.IsCaptured, Is.False);
        Assert.That(loop.State(), Is.EqualTo(before));
        for (int i = 2; i < 6; i++)
        {
            loop.Write(i);
            loop.Step.RunUncaptured();
        }

        Assert.That(loop.State(), Is.EqualTo(calls.State()));
    }

    [Test]
    public void Copies_from_the_host_are_refused_by_name()
    {
        using Device device = DeviceKind.Cuda.Open();
        using Tensor values = Tensor.From(device, new float[8], [8]);
        using var step = new CapturedStep(
            device,
            () =>
            {
                using Tensor factor = Tensor.From(device, new float[8], [8]);
                return Ops.Add(values, factor);
            }
        );
        step.Run();
        step.Run();
        Assert.That(() => step.Run(), Throws.TypeOf<GraphCaptureException>().With.Message.Contains("namp_memory_copy"));
        Assert.That(step.RunUncaptured().ToFloats(), Is.EqualTo(new float[8]));
    }

    [Test]
    public void A_gradient_from_outside_that_a_launch_would_overwrite_is_refused()
    {
        using Device device = DeviceKind.Cuda.Open();
        using var loop = new CapturedLoop(device);
        loop.RunCaptured(0, 4);
        string before = loop.State();
        using (TensorScope.Enter())
        using (Autocast.Enter(PrecisionPolicy.Float16))
        {
            using Tensor tokens = Tensor.From(device, new int[4], [1, 4]);
            loop.Scaler.Scale(Loss.CrossEntropy(loop.Model.Call(tokens), tokens)).Backward();
        }

        Assert.That(
            () => loop.Step.Run(),
            Throws.InvalidOperationException.With.Message.Contains("has a gradient").And.Message.Contains("ZeroGrad")
        );
        loop.Optimizer.ZeroGrad();
        // But for the words that the pass outside drew.
        Assert.That(Values(loop.State()), Is.EqualTo(Values(before)));
        loop.RunCaptured(4, 2);
        Assert.That(loop.Step.IsCaptured);

        static string Values(string state) => state[..state.LastIndexOf("RandomState", StringComparison.Ordinal)];
    }

    [Test]
    public void Gradients_may_be_captured_without_the_step()
    {
        using Device device = DeviceKind.Cuda.Open();
        using Tensor input = Tensor.From(device, [1f, 2, 3, 4], [2, 2]);
        using Module model = new Linear(2, 3, random: new RandomGenerator(1)).To(device);
        using var optimizer = new FusedSgd(model.Parameters(), new SgdOptions { LearningRate = 0.1 });
        using var backward = new CapturedStep(
            device,
            () =>
            {
                Tensor loss = Ops.Sum(model.Call(input));
                loss.Backward();
                return loss;
            }
        );
        for (int i = 0; i < 5; i++)
        {
            input.CopyFrom<float>([i, 1, 2, 3]);
            backward.Run();
            Assert.That(model.Parameters()[0].Gradient!.ToFloats(), Is.EqualTo(Repeat([i + 2, 4])), $"call {i}");
            optimizer.Step();
            optimizer.ZeroGrad();
        }

        Assert.That(backward.IsCaptured);
        Assert.That(optimizer.CountAppliedSteps(), Is.EqualTo(5));

        static float[] Repeat(float[] row) => [.. Enumerable.Repeat(row, 3).SelectMany(values => values)];
    }

    [Test]
    public void Memory_from_before_the_capture_lives_as_long_as_the_graph()
    {
        using Device device = DeviceKind.Cuda.Open();
        Tensor values = Tensor.From(device, [1f, 2, 3, 4], [4]);
        using var step = new CapturedStep(device, () => Ops.Add(values, values));
        for (int i = 0; i < 3; i++)
            step.Run();
        values.Dispose();
        using Tensor other = Tensor.From(device, new float[4], [4]);
        Assert.That(step.Run().ToFloats(), Is.EqualTo(new float[] { 2, 4, 6, 8 }));
    }

    [Test]
    public void Hyperparameters_of_now_are_those_of_a_launch()
    {
        using Device device = DeviceKind.Cuda.Open();
        using var loop = new CapturedLoop(device);
        loop.Optimizer.Scheduler = null;
        loop.RunCaptured(0, 14);
        Assert.That(loop.Steps[^1].Outcome.LearningRate, Is.EqualTo(1e-2));
        loop.Optimizer.Scheduler = LearningRateSchedule.Step(1, 0.5);
        loop.RunCaptured(14, 1);
        long applied = loop.Steps[^2].Outcome.AppliedSteps;
        Assert.That(loop.Steps[^1].Outcome.LearningRate, Is.EqualTo(1e-2 * Math.Pow(0.5, applied)).Within(1e-12));
    }

    [Test]
    public void Release_and_Dispose_give_the_memory_back()
    {
        EmulatedGpu.Require();
        using (Device device = DeviceKind.Cuda.Open())
        {
            using var loop = new CapturedLoop(device);
            loop.RunCaptured(0, 4);
            loop.Step.Release();
            Assert.That(loop.Step.IsCaptured, Is.False);
            loop.RunCaptured(4, 3);
            Assert.That(loop.Step.IsCaptured);
            loop.Step.Dispose();
            Assert.That(() => loop.Step.Run(), Throws.TypeOf<ObjectDisposedException>());
            loop.Run(7, 1);
        }

        Assert.That(EmulatedGpu.TakeFindings(), Is.Empty, "leaks");
    }

    [Test]
    public void On_the_CPU_every_call_does_the_step()
    {
        using Device device = DeviceKind.Cpu.Open();
        using var calls = new CapturedLoop(device);
        using var loop = new CapturedLoop(device);
        calls.Run(0, 5);
        loop.RunCaptured(0, 5);
        Assert.That(loop.Step.IsCaptured, Is.False);
        Assert.That(loop.State(), Is.EqualTo(calls.State()));
    }
}
