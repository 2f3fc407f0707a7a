namespace NativeAmp.Cli.Train;

/// <summary>The precision that a network computes in. Parameters, loss and optimizer are always float32.</summary>
internal enum PrecisionKind
{
    Fp32,
    Fp16,
    Bf16,
}

/// <summary>The policies of <see cref="PrecisionKind"/>.</summary>
internal static class PrecisionKinds
{
    /// <summary>The policy of a precision.</summary>
    public static PrecisionPolicy Policy(this PrecisionKind kind) =>
        kind switch
        {
            PrecisionKind.Fp16 => PrecisionPolicy.Float16,
            PrecisionKind.Bf16 => PrecisionPolicy.BFloat16,
            _ => PrecisionPolicy.Float32,
        };
}
