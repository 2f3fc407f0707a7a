namespace NativeAmp.Planning;

/// <summary>How many GPUs the state of a model takes, without activations.</summary>
/// <param name="Name">The layout and precision.</param>
/// <param name="BytesPerParameter">Weights, gradients, masters and optimizer state.</param>
/// <param name="Gpus">GPUs whose memory, less what is reserved, just holds it.</param>
public sealed record StateCount(string Name, double BytesPerParameter, long Gpus);

/// <summary>How compute grows with parameters.</summary>
/// <param name="Factor">By how much parameters grew.</param>
/// <param name="SameData">By how much 6 N D grew with the same tokens.</param>
/// <param name="GrowingData">By how much it grew where tokens grew as parameters did (D = 20 N).</param>
public sealed record ComputeGrowth(double Factor, double SameData, double GrowingData);

/// <summary>What is true of rules of thumb.</summary>
public static class RulesOfThumb
{
    /// <summary>Compute of a model and of a larger one, by layer.</summary>
    /// <param name="small">The small model's parameters.</param>
    /// <param name="factor">How much larger the other is.</param>
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

    /// <summary>GPUs to hold the state of so many parameters, by layout.</summary>
    /// <param name="parameters">How many.</param>
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
