namespace NativeAmp.Planning;

/// <summary>The number of GPUs that hold the state of a model, without activations.</summary>
/// <param name="Name">The layout and precision.</param>
/// <param name="BytesPerParameter">Weights, gradients, masters and optimizer state.</param>
/// <param name="Gpus">The smallest number of GPUs whose memory, without the reserved part, holds it.</param>
public sealed record StateCount(string Name, double BytesPerParameter, long Gpus);

/// <summary>How compute grows with parameters.</summary>
/// <param name="Factor">Growth of the number of parameters.</param>
/// <param name="SameData">Growth of 6 N D with the same tokens.</param>
/// <param name="GrowingData">Growth of 6 N D if tokens grow as parameters do (D = 20 N).</param>
public sealed record ComputeGrowth(double Factor, double SameData, double GrowingData);

/// <summary>Rules of thumb, computed by the planner.</summary>
public static class RulesOfThumb
{
    /// <summary>Compute of a model and of a larger one, by layer.</summary>
    /// <param name="small">The small model's parameters.</param>
    /// <param name="factor">How many times larger the other model is.</param>
    public static ComputeGrowth Growth(double small, double factor)
    {
        (TransformerModel a, TransformerModel b) = (ModelFamily.Of(small), ModelFamily.Of(small * factor));
        double tokens = 20 * a.Parameters;
        return new(
            b.Parameters / a.Parameters,
            Compute(b, tokens) / Compute(a, tokens),
            Compute(b, 20 * b.Parameters) / Compute(a, tokens)
        );

        static double Compute(TransformerModel model, double tokens) =>
            FlopPlan
                .Of(
                    new PlanRequest
                    {
                        Model = model,
                        Gpu = PlanCatalog.Standard.Gpu("a100-80g"),
                        Layout = StateLayout.Of("nativeamp", TrainingPrecision.Bf16),
                        Batch = 1,
                        Tokens = tokens,
                    }
                )
                .Total;
    }

    /// <summary>GPUs that hold the state of a number of parameters, by layout.</summary>
    /// <param name="parameters">Number of parameters.</param>
    /// <param name="gpu">The GPU.</param>
    public static IReadOnlyList<StateCount> GpusForState(double parameters, Gpu gpu)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        double room = gpu.MemoryBytes - MachineConstants.Standard.ReservedBytes;
        return
        [
            Of("float32", StateLayout.Of("nativeamp", TrainingPrecision.Fp32)),
            Of("mixed, DeepSpeed (float32 copy of gradients)", StateLayout.Of("deepspeed", TrainingPrecision.Fp16)),
            Of("mixed, Megatron (float32 gradients)", StateLayout.Of("megatron", TrainingPrecision.Fp16)),
            Of("mixed, NativeAmp (half gradients)", StateLayout.Of("nativeamp", TrainingPrecision.Fp16)),
            Of(
                "mixed, NativeAmp's layout with 8-bit moments",
                StateLayout.Of("nativeamp", TrainingPrecision.Fp16, "adamw-8bit")
            ),
        ];

        StateCount Of(string name, StateLayout layout) =>
            new(name, layout.Total, (long)Math.Ceiling(parameters * layout.Total / room));
    }
}
