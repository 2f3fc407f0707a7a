namespace NativeAmp.Planning;

/// <summary>
/// Fits the two efficiencies that no data sheet has, of matrix products and of ZeRO-3's gathers. The fit is the least
/// sum of squared relative errors over every second published time (the first, the third, …). The other times are for
/// testing.
/// </summary>
public static class Calibration
{
    private const double FirstStep = 0.1,
        LastStep = 0.0005,
        Least = 0.05;

    /// <summary>Whether the fit uses a published time.</summary>
    /// <param name="run">One of <see cref="PublishedRun.All"/>.</param>
    public static bool IsFitted(PublishedRun run) =>
        run is { IsTime: true }
        && PublishedRun.All.Where(r => r.IsTime).Index().First(r => r.Item == run).Index % 2 == 0;

    /// <summary>Computes the fit: a pattern search from fixed values, so that the result is always the same.</summary>
    /// <param name="start">The constants; all but two stay as they are.</param>
    public static MachineConstants Fit(MachineConstants start)
    {
        ArgumentNullException.ThrowIfNull(start);
        PlanRequest[] requests = [.. PublishedRun.All.Where(IsFitted).Select(run => run.Request!)];
        double[] published = [.. PublishedRun.All.Where(IsFitted).Select(PublishedSeconds)];
        (double product, double gather) = (0.5, 0.5);
        double best = Error(product, gather);
        for (double step = FirstStep; step >= LastStep; )
        {
            bool moved = false;
            foreach ((double dp, double dg) in ((double, double)[])[(step, 0), (-step, 0), (0, step), (0, -step)])
            {
                if (
                    product + dp < Least
                    || gather + dg < Least
                    || Error(product + dp, gather + dg) is var error && error >= best
                )
                    continue;
                (product, gather, best, moved) = (product + dp, gather + dg, error, true);
            }

            if (!moved)
                step /= 2;
        }

        return start with
        {
            ProductEfficiency = product,
            GatherEfficiency = gather,
        };

        double Error(double p, double g)
        {
            MachineConstants constants = start with { ProductEfficiency = p, GatherEfficiency = g };
            double sum = 0;
            for (int i = 0; i < requests.Length; i++)
                sum += Math.Pow(TimeModel.Of(requests[i] with { Constants = constants }).Step / published[i] - 1, 2);
            return sum;
        }
    }

    /// <summary>Seconds of a step by a published time.</summary>
    internal static double PublishedSeconds(PublishedRun run)
    {
        FlopPlan flops = FlopPlan.Of(run.Request!);
        return run.Quantity switch
        {
            PublishedQuantity.Seconds => run.Value,
            PublishedQuantity.Tflops => flops.Hardware / run.Split.Gpus / (run.Value * 1e12),
            PublishedQuantity.GpuHours => run.Value * 3600 / run.Split.Gpus / flops.Steps,
            PublishedQuantity.Days => run.Value * 86400 / flops.Steps,
            PublishedQuantity.TokensPerGpuSecond => flops.TokensPerStep / run.Split.Gpus / run.Value,
            _ => throw new InvalidOperationException($"{run.Id} is no time."),
        };
    }
}
