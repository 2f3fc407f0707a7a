namespace NativeAmp.Cli.Train;

/// <summary>What a network computes in; parameters, loss and optimizer are float32 in each.</summary>
internal enum PrecisionKind
{
    Fp32,
    Fp16,
    Bf16,
}
