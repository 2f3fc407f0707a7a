using System.Collections.Immutable;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Bytes of a device's memory by kind. They are counted as handed out: rounded up to the allocator's granule.
/// </summary>
public sealed class DeviceMemoryStatistics
{
    private readonly long[] _live = new long[(int)NampMemoryKind.KindCount];
    private readonly long[] _peak = new long[(int)NampMemoryKind.KindCount];

    internal unsafe DeviceMemoryStatistics(in NampMemoryStatistics statistics)
    {
        for (int kind = 0; kind < _live.Length; kind++)
        {
            _live[kind] = statistics.LiveBytes[kind];
            _peak[kind] = statistics.PeakBytes[kind];
        }
        PeakTotalBytes = statistics.PeakTotalBytes;
        CachedBytes = statistics.CachedBytes;
        SystemAllocations = statistics.SystemAllocations;
    }

    /// <summary>Every kind of memory, in the order in which they are best listed.</summary>
    public static ImmutableArray<MemoryKind> Kinds { get; } =
    [
        MemoryKind.Parameters,
        MemoryKind.ComputeCopies,
        MemoryKind.OptimizerState,
        MemoryKind.Gradients,
        MemoryKind.Activations,
        MemoryKind.Workspace,
        MemoryKind.Other,
    ];

    /// <summary>Bytes of all kinds in use now.</summary>
    public long LiveTotalBytes => _live.Sum();

    /// <summary>Most bytes of all kinds together in use since the last reset.</summary>
    public long PeakTotalBytes { get; }

    /// <summary>Bytes held for reuse and not in use.</summary>
    public long CachedBytes { get; }

    /// <summary>Number of allocations from the operating system or the driver, since the device was opened.</summary>
    public long SystemAllocations { get; }

    /// <summary>Bytes of a kind in use now.</summary>
    public long LiveBytes(MemoryKind kind) => _live[(int)kind];

    /// <summary>Most bytes of a kind in use since the last reset.</summary>
    public long PeakBytes(MemoryKind kind) => _peak[(int)kind];
}
