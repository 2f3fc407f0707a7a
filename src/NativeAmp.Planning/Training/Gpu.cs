using System.Text.Json;

namespace NativeAmp.Planning;

/// <summary>A GPU by its data sheet, with its links to others.</summary>
public sealed record Gpu
{
    /// <summary>Its name, such as a100-80g.</summary>
    public required string Name { get; init; }

    /// <summary>A description.</summary>
    public string Description { get; init; } = "";

    /// <summary>Bytes of its memory.</summary>
    public required double MemoryBytes { get; init; }

    /// <summary>Bandwidth of its memory in bytes per second.</summary>
    public required double MemoryBandwidth { get; init; }

    /// <summary>
    /// Peak FLOP per second of dense products, by precision. A precision that it lacks is not in the dictionary.
    /// </summary>
    public required IReadOnlyDictionary<TrainingPrecision, double> PeakFlops { get; init; }

    /// <summary>Bandwidth to the other GPUs of its node, in bytes per second, one way.</summary>
    public required double LinkBandwidth { get; init; }

    /// <summary>Bandwidth of its share of the network between nodes, in bytes per second, one way.</summary>
    public required double NetworkBandwidth { get; init; }

    /// <summary>Bandwidth to the host, in bytes per second, one way.</summary>
    public required double HostBandwidth { get; init; }

    /// <summary>GPUs of a node.</summary>
    public required int GpusPerNode { get; init; }

    /// <summary>Its power limit in watts.</summary>
    public required double Watts { get; init; }

    /// <summary>The source of the figures, and the figures that are assumed.</summary>
    public string Source { get; init; } = "given";

    /// <summary>Peak FLOP per second of dense products.</summary>
    /// <param name="precision">The precision of the products.</param>
    /// <exception cref="PlanException">The GPU does not support the precision.</exception>
    public double Peak(TrainingPrecision precision) =>
        PeakFlops.TryGetValue(precision, out double peak)
            ? peak
            : throw new PlanException(
                $"The GPU {Name} does not compute in {precision.ToString().ToLowerInvariant()}; it has "
                    + $"{string.Join(", ", PeakFlops.Keys.Select(p => p.ToString().ToLowerInvariant()))}."
            );

    internal static Gpu Read(JsonElement element, string where)
    {
        string name = new FactReader(element, where).Text("name");
        var facts = new FactReader(element, $"GPU '{name}' in {where}");
        FactReader peaks = facts.Object("tflops");
        var gpu = new Gpu
        {
            Name = facts.Text("name"),
            Description = facts.Text("what", ""),
            MemoryBytes = facts.Real("memory_gib", 0.1, 1e6) * BinaryUnits.GiB,
            MemoryBandwidth = facts.Real("memory_gb_per_s", 0.1, 1e9) * 1e9,
            PeakFlops = Enum.GetValues<TrainingPrecision>()
                .Select(p => (Precision: p, Peak: peaks.OptionalReal(p.ToString().ToLowerInvariant(), 1e-3, 1e9)))
                .Where(p => p.Peak is not null)
                .ToDictionary(p => p.Precision, p => p.Peak!.Value * 1e12),
            LinkBandwidth = facts.Real("link_gb_per_s", 1e-3, 1e9) * 1e9,
            NetworkBandwidth = facts.Real("network_gb_per_s", 1e-3, 1e9) * 1e9,
            HostBandwidth = facts.Real("host_gb_per_s", 1e-3, 1e9) * 1e9,
            GpusPerNode = facts.Whole("gpus_per_node", 1, 100_000),
            Watts = facts.Real("watts", 0.1, 1e6),
            Source = facts.Text("source", where),
        };
        facts.RefuseOthers();
        return gpu.PeakFlops.Count > 0
            ? gpu
            : throw new PlanException(
                $"'tflops' of GPU '{name}' in {where} says no precision: fp32, tf32, fp16 or bf16."
            );
    }
}
