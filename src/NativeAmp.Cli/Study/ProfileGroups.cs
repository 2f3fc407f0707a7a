using System.Text.Json;

namespace NativeAmp.Cli.Study;

/// <summary>Times of a profile's functions by their bottleneck, in milliseconds per step.</summary>
/// <param name="Products">GEMM, convolution, attention: arithmetic.</param>
/// <param name="MemoryBound">Activations, norms, pooling, sums, the loss, the optimizer: bytes.</param>
/// <param name="Casts">Casts from one type to another.</param>
/// <param name="Waiting">Copies to and from the device, and waiting for it.</param>
/// <param name="Host">Managed code, and the allocator.</param>
internal sealed record ProfileGroups(double Products, double MemoryBound, double Casts, double Waiting, double Host)
{
    /// <summary>Names for charts, in the order of <see cref="Values"/>.</summary>
    public static IReadOnlyList<string> Names { get; } =
    ["products", "bound by memory", "casts", "copies and waiting", "host"];

    /// <summary>The times of the groups.</summary>
    public IReadOnlyList<double> Values => [Products, MemoryBound, Casts, Waiting, Host];

    /// <summary>The time of a step.</summary>
    public double Total => Values.Sum();

    /// <summary>The groups of a run's profile, or null if it has none.</summary>
    public static ProfileGroups? Of(RunFigures run)
    {
        double[] parts = new double[Names.Count];
        foreach (JsonElement row in Json.Elements(run.Result.Summary, "profile"))
            parts[Group(Json.Text(row, "function"))] += Math.Max(0, Json.Number(row, "ms_per_step"));
        var groups = new ProfileGroups(parts[0], parts[1], parts[2], parts[3], parts[4]);
        return groups.Total > 0 ? groups : null;
    }

    private static int Group(string function) =>
        function switch
        {
            _ when function.StartsWith("namp_gemm", StringComparison.Ordinal)
                    || function.StartsWith("namp_conv2d", StringComparison.Ordinal)
                    || function.StartsWith("namp_attention", StringComparison.Ordinal) => 0,
            _ when function.StartsWith("namp_cast", StringComparison.Ordinal) => 2,
            "namp_memory_copy"
            or "namp_memory_copy_async"
            or "namp_stream_synchronize"
            or "namp_event_synchronize"
            or "namp_device_synchronize" => 3,
            "namp_memory_allocate" or "namp_memory_free" or "namp_profile_start" or "namp_profile_stop" => 4,
            _ when !function.StartsWith("namp_", StringComparison.Ordinal) => 4,
            _ => 1,
        };
}
