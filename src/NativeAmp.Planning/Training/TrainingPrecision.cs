namespace NativeAmp.Planning;

/// <summary>The precision of matrix products.</summary>
public enum TrainingPrecision
{
    /// <summary>float32 everywhere, without tensor cores.</summary>
    Fp32,

    /// <summary>float32 in memory; products on tensor cores with 10 bits of mantissa.</summary>
    Tf32,

    /// <summary>Mixed precision in float16: float32 masters and moments.</summary>
    Fp16,

    /// <summary>Mixed precision in bfloat16: float32 masters and moments.</summary>
    Bf16,
}

/// <summary>The part of the forward pass that the backward pass recomputes (arXiv 2205.05198).</summary>
public enum Recomputation
{
    /// <summary>Nothing: all activations are kept.</summary>
    None,

    /// <summary>
    /// The core of the attention: scores, softmax, its dropout and the product with the values (section 5).
    /// </summary>
    Selective,

    /// <summary>Each layer: only its input is kept.</summary>
    Full,
}
