namespace NativeAmp.Cli.Train;

/// <summary>The precision that a network computes in. Parameters, loss and optimizer are always float32.</summary>
internal enum PrecisionKind
{
    Fp32,
    Fp16,
    Bf16,
}
