namespace NativeAmp.Planning;

/// <summary>
/// A framework's layout of state: bytes per parameter of weights, gradient, master and optimizer state.
/// </summary>
/// <param name="Name">Its name.</param>
/// <param name="Weights">Bytes that matrix products read: a compute copy, or the float32 parameter itself.</param>
/// <param name="Gradient">Bytes of the gradient that a backward pass writes.</param>
/// <param name="Master">Bytes of the float32 master beside the weights; 0 if the weights are the master.</param>
/// <param name="Moments">Bytes of the optimizer's state.</param>
/// <param name="GradientCopy">Bytes of a second, float32 gradient that the optimizer reads. It is sharded like the
/// optimizer state.</param>
/// <param name="Source">The source of the layout.</param>
public sealed record StateLayout(
    string Name,
    double Weights,
    double Gradient,
    double Master,
    double Moments,
    double GradientCopy,
    string Source
)
{
    private const double HalfBytes = 2,
        FloatBytes = 4;

    // bitsandbytes: one byte per element and a float32 scale for each block of 256, for each of two moments.
    private const double EightBitMoments = 2 * (1 + 4 / 256.0);

    /// <summary>The layouts that <see cref="Of"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = ["nativeamp", "megatron", "deepspeed"];

    /// <summary>The optimizers that <see cref="Of"/> knows.</summary>
    public static IReadOnlyList<string> Optimizers { get; } = ["adamw", "adamw-8bit", "sgd-momentum"];

    /// <summary>Total bytes per parameter, on one GPU.</summary>
    public double Total => Weights + Gradient + Master + Moments + GradientCopy;

    /// <summary>The layout of a framework, precision and optimizer.</summary>
    /// <param name="framework">
    /// nativeamp: half-precision gradients, no float32 ones (16 bytes with Adam). megatron: float32 gradients (18; 6 +
    /// 12 / d with its distributed optimizer). deepspeed: half-precision gradients and a float32 copy that is sharded
    /// with the state (20). In FP32 and TF32 all have 16.
    /// </param>
    /// <param name="precision">The precision of matrix products.</param>
    /// <param name="optimizer">adamw, adamw-8bit (two moments of a byte and their scales) or sgd-momentum.</param>
    /// <exception cref="PlanException">One of the names is unknown.</exception>
    public static StateLayout Of(string framework, TrainingPrecision precision, string optimizer = "adamw")
    {
        if (!Names.Contains(framework))
            throw new PlanException($"There is no layout '{framework}': known are {string.Join(", ", Names)}.");
        double moments = optimizer switch
        {
            "adamw" => 2 * FloatBytes,
            "adamw-8bit" => EightBitMoments,
            "sgd-momentum" => FloatBytes,
            _ => throw new PlanException(
                $"There is no optimizer '{optimizer}': known are {string.Join(", ", Optimizers)}."
            ),
        };
        if (precision is TrainingPrecision.Fp32 or TrainingPrecision.Tf32)
            return new(framework, FloatBytes, FloatBytes, 0, moments, 0, "float32 weights, gradients and state");
        return framework switch
        {
            "megatron" => new(
                framework,
                HalfBytes,
                FloatBytes,
                FloatBytes,
                moments,
                0,
                "Megatron-LM, theoretical_memory_usage.py: 18 bytes with Adam, 6 + 12 / d with the distributed "
                    + "optimizer"
            ),
            "deepspeed" => new(
                framework,
                HalfBytes,
                HalfBytes,
                FloatBytes,
                moments,
                FloatBytes,
                "DeepSpeed, stage_1_and_2.py: 2 P + 18 P / n of ZeRO-2 with Adam; stage3.py: 4 · largest layer + 18 P "
                    + "/ n"
            ),
            _ => new(
                framework,
                HalfBytes,
                HalfBytes,
                FloatBytes,
                moments,
                0,
                "NativeAmp: float32 parameter, compute copy, half gradient, moments (docs/autograd.md, FusedAdam); 16 "
                    + "bytes with Adam"
            ),
        };
    }
}
