namespace NativeAmp.Cli.Verify;

/// <summary>Computes the cases of a golden file on a device, and compares them.</summary>
internal static class GoldenChecks
{
    /// <summary>The rows of a file of a known kind.</summary>
    public static IReadOnlyList<VerifyRow> Check(
        GoldenKind kind,
        string path,
        ReadOnlySpan<byte> json,
        Device device
    ) =>
        kind switch
        {
            GoldenKind.Adam => AdamCheck.Run(path, GoldenReader.Read(path, json, GoldenJson.Default.AdamFile), device),
            GoldenKind.Sgd => SgdCheck.Run(path, GoldenReader.Read(path, json, GoldenJson.Default.SgdFile), device),
            GoldenKind.Scaler => ScalerCheck.Run(
                path,
                GoldenReader.Read(path, json, GoldenJson.Default.ScalerFile),
                device
            ),
            GoldenKind.Unscale => UnscaleCheck.Run(
                path,
                GoldenReader.Read(path, json, GoldenJson.Default.UnscaleFile),
                device
            ),
            GoldenKind.Layers => LayersCheck.Run(
                path,
                GoldenReader.Read(path, json, GoldenJson.Default.LayersFile),
                device
            ),
            GoldenKind.Training => TrainingCheck.Run(
                path,
                GoldenReader.Read(path, json, GoldenJson.Default.TrainingFile),
                device
            ),
            GoldenKind.AmpTraining => TrainingCheck.RunAmp(
                path,
                GoldenReader.Read(path, json, GoldenJson.Default.TrainingFile),
                device
            ),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Not a kind of golden file."),
        };
}
