using System.Text.Json;

namespace NativeAmp.Planning;

/// <summary>A GPU as its data sheet has it, and what links it to others.</summary>
public sealed record Gpu
{
    /// <summary>Its name, such as a100-80g.</summary>
    public required string Name { get; init; }

    /// <summary>What it is.</summary>
    public string Description { get; init; } = "";

    /// <summary>Bytes of its memory.</summary>
    public required double MemoryBytes { get; init; }

    /// <summary>Bytes a second of its memory.</summary>
    public required double MemoryBandwidth { get; init; }

    /// <summary>FLOP a second of dense products, by precision; a precision that it lacks is not there.</summary>
    public required IReadOnlyDictionary<TrainingPrecision, double> PeakFlops { get; init; }

    /// <summary>Bytes a second, one way, to the other GPUs of its node.</summary>
    public required double LinkBandwidth { get; init; }

    /// <summary>Bytes a second, one way, of its share of the network between nodes.</summary>
    public required double NetworkBandwidth { get; init; }

    /// <summary>Bytes a second, one way, to the host.</summary>
    public required double HostBandwidth { get; init; }

    /// <summary>GPUs of a node.</summary>
    public required int GpusPerNode { get; init; }

    /// <summary>Its power limit in watts.</summary>
    public required double Watts { get; init; }

    /// <summary>Where the figures are from, and which are assumed.</summary>
    public string Source { get; init; } = "given";

    /// <summary>FLOP a second of dense products.</summary>
    /// <param name="precision">What they compute in.</param>
    /// <exception cref="PlanException">The GPU does not compute in it.</exception>
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
