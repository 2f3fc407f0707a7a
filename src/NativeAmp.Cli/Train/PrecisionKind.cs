namespace NativeAmp.Cli.Train;

/// <summary>
/// The precision that a network computes in. Loss and optimizer are always float32, parameters unless --masters says
/// otherwise.
/// </summary>
internal enum PrecisionKind
{
    Fp32,
    Fp16,
    Bf16,
}

/// <summary>The types and policies that a precision means.</summary>
internal static class PrecisionKinds
{
    /// <summary>The dtype that operators compute in.</summary>
    public static DType ComputeType(this PrecisionKind precision) =>
        precision switch
        {
            PrecisionKind.Fp16 => DType.Float16,
            PrecisionKind.Bf16 => DType.BFloat16,
            _ => DType.Float32,
        };

    /// <summary>The policy of a precision.</summary>
    public static PrecisionPolicy Policy(this PrecisionKind precision) =>
        PrecisionPolicy.Float32.WithCompute(precision.ComputeType());
}
