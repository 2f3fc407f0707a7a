using NativeAmp.Training;

namespace NativeAmp.Cli.Bench;

/// <summary>Measures the operators of a GPT's training step, and the step.</summary>
/// <param name="device">The device.</param>
/// <param name="shape">The sizes.</param>
/// <param name="peak">The GPU's data sheet, or null.</param>
/// <param name="announce">Called with the next measurement's name.</param>
internal sealed class GptRun(Device device, GptShape shape, GpuPeak? peak, Action<string> announce)
{
    private const int FewestSteps = 5;
    private const int MostSteps = 200;

    /// <summary>Measures all.</summary>
    /// <param name="budget">Approximate seconds: half for the operators, half for the step.</param>
    public GptRow[] Measure(double budget)
    {
        List<GptRow> rows = [];
        Func<Device, GptOperator>[] operators = [.. GptOperator.All(shape)];
        using (var timer = new InterleavedTimer(device))
        {
            foreach (Func<Device, GptOperator> make in operators)
            {
                using GptOperator made = make(device);
                announce(made.Name);
                double each = budget / 4 / operators.Length;
                GptCost cost = made.Cost;
                rows.Add(Measure(timer, $"{made.Name}: forward", made.Forward, cost.Flops, cost.Bytes, each));
                rows.Add(
                    Measure(
                        timer,
                        $"{made.Name}: with backward",
                        made.Train,
                        cost.TrainingFlops,
                        cost.TrainingBytes,
                        each
                    )
                );
            }
        }

        string[] ways = device.IsHostMemory ? ["calls"] : ["calls", "graph"];
        foreach (string way in ways)
        {
            announce($"step, {way}");
            rows.Add(MeasureStep(way, budget / 2 / ways.Length));
        }

        return [.. rows];
    }

    private GptRow Measure(InterleavedTimer timer, string name, Action run, double flops, long bytes, double budget)
    {
        using DeviceCopy? copy = device.IsHostMemory ? null : new DeviceCopy(device, bytes, places: 1);
        Timing timing = timer.Measure(_ => run(), copy is null ? _ => { } : copy.Run, budget);
        return GptRow.Of(
            name,
            shape.DType,
            flops,
            bytes,
            timing.Kernel,
            copy is null ? null : timing.FractionOfLimit,
            peak
        );
    }

    // AdamW with clipping and the loss scale, over the same tokens in each step.
    private GptRow MeasureStep(string way, double budget)
    {
        using Gpt model = new Gpt(shape.Options, new RandomGenerator(1)).To(device);
        using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 1e-4f });
        using var scaler = new GradScaler(device);
        using Tensor tokens = GptOperator.TokensOf(device, shape);
        PrecisionPolicy policy = PrecisionPolicy.Float32.WithCompute(shape.DType);
        using CapturedStep? captured = way == "graph" ? new CapturedStep(device, Step) : null;
        using var time = new DeviceTime(device);
        for (int i = 0; i < 4; i++) // the first allocate, and the third captures
            Run();
        List<double> seconds = [];
        double start = time.Seconds();
        double before = start;
        while (seconds.Count < FewestSteps || (before - start < budget && seconds.Count < MostSteps))
        {
            Run();
            double now = time.Seconds();
            seconds.Add(now - before);
            before = now;
        }

        GptRow row = GptRow.Of(
            $"training step, {way}",
            shape.DType,
            shape.StepFlops,
            bytes: null,
            [.. seconds],
            fractionOfCopy: null,
            peak
        );
        return row with { TokensPerS = shape.Tokens / row.SecondsMedian };

        void Run()
        {
            using TensorScope scope = TensorScope.Enter();
            if (captured is null)
                Step();
            else
                captured.Run();
        }

        Tensor Step()
        {
            Tensor loss;
            using (Autocast.Enter(policy))
            {
                loss = Loss.CrossEntropy(model.Forward(tokens), tokens);
                scaler.Scale(loss).Backward();
            }

            optimizer.ClipGradNorm(1);
            scaler.Step(optimizer);
            scaler.Update();
            optimizer.ZeroGrad();
            return loss;
        }
    }
}
