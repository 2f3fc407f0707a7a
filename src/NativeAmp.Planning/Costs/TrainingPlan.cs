namespace NativeAmp.Planning;

/// <summary>The memory, compute, time and energy of a training.</summary>
/// <param name="Request">The request that was planned.</param>
/// <param name="Memory">Bytes of a GPU.</param>
/// <param name="Flops">Operations of a step.</param>
/// <param name="Time">Seconds of a step.</param>
public sealed record TrainingPlan(PlanRequest Request, MemoryPlan Memory, FlopPlan Flops, TimePlan Time)
{
    private const double SecondsOfDay = 86400;

    /// <summary>Whether the training fits the GPU's memory.</summary>
    public bool Fits => Memory.Total <= Request.Gpu.MemoryBytes;

    /// <summary>Seconds of the whole training.</summary>
    public double Seconds => Time.Step * Flops.Steps;

    /// <summary>Days of the whole training.</summary>
    public double Days => Seconds / SecondsOfDay;

    /// <summary>GPU hours of the whole training, over all GPUs.</summary>
    public double GpuHours => Seconds / 3600 * Request.Split.Gpus;

    /// <summary>
    /// FLOP per second and GPU, recomputation included, as in Megatron's tables (arXiv 2104.04473, equation 3).
    /// </summary>
    public double HardwareFlopsPerGpu => Flops.Hardware / Time.Step / Request.Split.Gpus;

    /// <summary>
    /// Model FLOP utilization (MFU): the share of the peak without recomputation (arXiv 2204.02311, appendix B).
    /// </summary>
    public double ModelUtilization =>
        Flops.Model / Time.Step / Request.Split.Gpus / Request.Gpu.Peak(Request.Precision);

    /// <summary>Hardware FLOP utilization (HFU): the share of the peak with recomputation.</summary>
    public double HardwareUtilization => HardwareFlopsPerGpu / Request.Gpu.Peak(Request.Precision);

    /// <summary>Tokens per second, over all GPUs.</summary>
    public double TokensPerSecond => Flops.TokensPerStep / Time.Step;

    /// <summary>
    /// Energy of the whole training in megawatt hours: GPU hours × watts × PUE (arXiv 2302.13971, section 6).
    /// </summary>
    public double MegawattHours => EnergyOf(GpuHours, Request.Gpu, Request.Constants);

    /// <summary>If it does not fit: the kinds of memory that are too large, and proposals. Otherwise empty.</summary>
    public IReadOnlyList<string> Advice => Fits ? [] : PlanAdvice.Of(this);

    internal static double EnergyOf(double gpuHours, Gpu gpu, MachineConstants constants) =>
        gpuHours * gpu.Watts * constants.PowerShare * constants.PowerUsageEffectiveness / 1e6;
}
