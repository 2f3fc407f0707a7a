namespace NativeAmp.Cli.Study;

/// <summary>Instructions of this machine's processor for low precision.</summary>
internal static class Processor
{
    // x86: conversions, products of BF16 and of FP16, each as vectors and as tiles. ARM: FP16 arithmetic and BF16
    // products.
    private static readonly string[] Known =
    [
        "avx2",
        "f16c",
        "avx512f",
        "avx512_bf16",
        "avx512_fp16",
        "amx_bf16",
        "amx_fp16",
        "asimd",
        "asimdhp",
        "bf16",
    ];

    /// <summary>The instructions that the system names; empty if it names none.</summary>
    public static IReadOnlyList<string> Features { get; } = Read();

    /// <summary>Whether one of the instructions multiplies in this precision.</summary>
    public static bool Multiplies(IReadOnlyList<string> features, string precision) =>
        features.Any(feature =>
            precision switch
            {
                "fp16" => feature is "avx512_fp16" or "amx_fp16" or "asimdhp",
                "bf16" => feature is "avx512_bf16" or "amx_bf16" or "bf16",
                _ => true,
            }
        );

    private static string[] Read()
    {
        try
        {
            if (!OperatingSystem.IsLinux())
                return [];
            string? line = File.ReadLines("/proc/cpuinfo")
                .FirstOrDefault(line =>
                    line.StartsWith("flags", StringComparison.Ordinal)
                    || line.StartsWith("Features", StringComparison.Ordinal)
                );
            string[] all = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
            return [.. Known.Intersect(all)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return []; // no /proc
        }
    }
}
