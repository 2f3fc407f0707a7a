namespace NativeAmp.Planning;

/// <summary>What matrix products compute in.</summary>
public enum TrainingPrecision
{
    /// <summary>float32 throughout, on ordinary cores.</summary>
    Fp32,

    /// <summary>float32 in memory, products on tensor cores with 10 bits of mantissa.</summary>
    Tf32,

    /// <summary>float16, mixed: float32 masters and moments.</summary>
    Fp16,

    /// <summary>bfloat16, mixed: float32 masters and moments.</summary>
    Bf16,
}

/// <summary>
/// What of the forward pass is computed again in the backward pass instead of being kept (arXiv 2205.05198).
/// </summary>
public enum Recomputation
{
    /// <summary>Nothing: all is kept.</summary>
    None,

    /// <summary>
    /// The core of the attention: scores, softmax, its dropout and the product with the values (section 5).
    /// </summary>
    Selective,

    /// <summary>Each layer; its input alone is kept.</summary>
    Full,
}
