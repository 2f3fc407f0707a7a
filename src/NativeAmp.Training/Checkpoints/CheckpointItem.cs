using System.Runtime.InteropServices;

namespace NativeAmp.Training.Checkpoints;

/// <summary>Receives or gives the bytes of one item.</summary>
internal delegate void SaveBytes(Span<byte> destination);

/// <summary>Takes over the bytes of one item.</summary>
internal delegate void LoadBytes(ReadOnlySpan<byte> source);

/// <summary>One named array of a checkpoint: what it is, how it is copied out, and how it is put back.</summary>
internal sealed record CheckpointItem(SafetensorsEntry Entry, SaveBytes Save, LoadBytes Load)
{
    /// <summary>A few integers: counters, positions, a generator's state.</summary>
    public static CheckpointItem Integers(string name, int count, Func<long[]> save, Action<long[]> load) =>
        new(new SafetensorsEntry(name, SafetensorsDType.I64, [count]),
            destination => MemoryMarshal.AsBytes<long>(save()).CopyTo(destination),
            source => load(MemoryMarshal.Cast<byte, long>(source).ToArray()));
}
