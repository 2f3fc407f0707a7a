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

    private GptRow MeasureStep(string way, double budget)
    {
        using var step = new GptStep(device, shape, isGraph: way == "graph");
        using var time = new DeviceTime(device);
        for (int i = 0; i < GptStep.CallsBefore; i++)
            step.Run();
        List<double> seconds = [];
        double start = time.Seconds();
        double before = start;
        while (seconds.Count < FewestSteps || (before - start < budget && seconds.Count < MostSteps))
        {
            step.Run();
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
    }
}
