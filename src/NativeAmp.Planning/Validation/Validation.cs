using static NativeAmp.Planning.BinaryUnits;

namespace NativeAmp.Planning;

/// <summary>A published figure beside the planner's.</summary>
/// <param name="Run">The run, with its source.</param>
/// <param name="Role">fit, test, memory, compute or energy.</param>
/// <param name="Planned">The planner's figure, in the published one's unit.</param>
/// <param name="Error">The relative error: of the time of a step for rows of time, of the figure for other
/// rows.</param>
/// <param name="Limit">The largest magnitude of the error allowed.</param>
public sealed record ValidationRow(PublishedRun Run, string Role, double Planned, double Error, double Limit)
{
    /// <summary>Whether the error is within the limit.</summary>
    public bool Met => Math.Abs(Error) <= Limit;
}

/// <summary>Compares the planner with published runs.</summary>
public static class Validation
{
    /// <summary>The largest relative error of a planned time.</summary>
    public const double TimeLimit = 0.15;

    /// <summary>The largest relative error of planned memory, compute and energy.</summary>
    public const double MemoryLimit = 0.05;

    /// <summary>Plans every published run.</summary>
    /// <param name="constants">Efficiencies; null for the standard ones.</param>
    public static IReadOnlyList<ValidationRow> Rows(MachineConstants? constants = null)
    {
        MachineConstants c = constants ?? MachineConstants.Standard;
        return [.. PublishedRun.All.Select(run => Row(run, c))];
    }

    private static ValidationRow Row(PublishedRun run, MachineConstants constants)
    {
        if (run.Request is null)
            return Of("memory", DeepSpeedState(run));
        TrainingPlan plan = Planner.Plan(run.Request with { Constants = constants });
        return run.Quantity switch
        {
            PublishedQuantity.LayerStateGib => Of("memory", plan.Memory.LayerState / GiB),
            PublishedQuantity.ActivationsGib => Of("memory", plan.Memory.Activations / GiB),
            PublishedQuantity.SixNd => Of("compute", plan.Flops.SixNd),
            PublishedQuantity.SixNdPetaflopDays => Of("compute", plan.Flops.SixNd / 1e15 / 86400),
            PublishedQuantity.EnergyOfHours => Of(
                "energy",
                TrainingPlan.EnergyOf(run.GpuHours!.Value, run.Gpu, constants)
            ),
            _ => new ValidationRow(
                run,
                Calibration.IsFitted(run) ? "fit" : "test",
                Time(run, plan),
                plan.Time.Step / Calibration.PublishedSeconds(run) - 1,
                TimeLimit
            ),
        };

        ValidationRow Of(string role, double planned) => new(run, role, planned, planned / run.Value - 1, MemoryLimit);
    }

    private static double Time(PublishedRun run, TrainingPlan plan) =>
        run.Quantity switch
        {
            PublishedQuantity.Seconds => plan.Time.Step,
            PublishedQuantity.Tflops => plan.HardwareFlopsPerGpu / 1e12,
            PublishedQuantity.GpuHours => plan.GpuHours,
            PublishedQuantity.Days => plan.Days,
            _ => plan.TokensPerSecond / run.Split.Gpus,
        };

    private static double DeepSpeedState(PublishedRun run)
    {
        double gathered =
            run.Split.ZeroStage == 3 ? run.LargestLayer!.Value * ShardedState.GatheredBytes(run.Layout) : 0;
        return (run.Parameters!.Value * ShardedState.Of(run.Layout, run.Split).OnGpu + gathered) / GiB;
    }
}
