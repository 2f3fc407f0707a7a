using System.Text.Json;

namespace NativeAmp.Planning;

/// <summary>
/// Constants that data sheets do not have: the shares of their peaks that matrix products, memory and links reach. Two
/// are fitted over half of the published runs (<see cref="Calibration"/>); the others were fixed before. Each has its
/// source in machine.json.
/// </summary>
public sealed record MachineConstants
{
    /// <summary>Share of the peak that large products reach. Fitted.</summary>
    public required double ProductEfficiency { get; init; }

    /// <summary>Share of one GPU's network that ZeRO-3's gathers of parameters reach. Fitted.</summary>
    public required double GatherEfficiency { get; init; }

    /// <summary>Share of the memory's bandwidth that element-wise kernels reach.</summary>
    public required double MemoryEfficiency { get; init; }

    /// <summary>Share of the links within a node that collectives reach.</summary>
    public required double LinkEfficiency { get; init; }

    /// <summary>Share of the network that collectives reach.</summary>
    public required double NetworkEfficiency { get; init; }

    /// <summary>Share of an overlapped communication that hides behind computation.</summary>
    public required double Overlap { get; init; }

    /// <summary>Bytes per second and GPU of an optimizer step on the host.</summary>
    public required double CpuOptimizerBandwidth { get; init; }

    /// <summary>Share of its power limit that a GPU draws.</summary>
    public required double PowerShare { get; init; }

    /// <summary>Energy of the data center divided by that of its GPUs.</summary>
    public required double PowerUsageEffectiveness { get; init; }

    /// <summary>Bytes of a GPU that no plan may use.</summary>
    public required double ReservedBytes { get; init; }

    /// <summary>Bytes of workspace of the library of matrix products.</summary>
    public required double ProductWorkspaceBytes { get; init; }

    /// <summary>Bytes of a bucket of gradients.</summary>
    public required double GradientBucketBytes { get; init; }

    /// <summary>The constants of machine.json.</summary>
    public static MachineConstants Standard { get; } = Read();

    private static MachineConstants Read()
    {
        using Stream stream = PlanCatalog.Embedded("machine.json");
        using JsonDocument document = FactReader.Parse(stream, "machine.json");
        var facts = new FactReader(document.RootElement, "machine.json");
        var constants = new MachineConstants
        {
            ProductEfficiency = Value("product_efficiency"),
            GatherEfficiency = Value("gather_efficiency"),
            MemoryEfficiency = Value("memory_efficiency"),
            LinkEfficiency = Value("link_efficiency"),
            NetworkEfficiency = Value("network_efficiency"),
            Overlap = Value("overlap"),
            CpuOptimizerBandwidth = Value("cpu_optimizer_bytes_per_second"),
            PowerShare = Value("power_share"),
            PowerUsageEffectiveness = Value("power_usage_effectiveness"),
            ReservedBytes = Value("reserved_gib") * BinaryUnits.GiB,
            ProductWorkspaceBytes = Value("product_workspace_mib") * BinaryUnits.MiB,
            GradientBucketBytes = Value("gradient_bucket_mib") * BinaryUnits.MiB,
        };
        facts.RefuseOthers();
        return constants;

        double Value(string name) => facts.Object(name).Real("value", 0, 1e15);
    }
}
