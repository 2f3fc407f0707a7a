using System.Runtime.InteropServices;

namespace NativeAmp.Training.Checkpoints;

/// <summary>Gives the bytes of one item.</summary>
internal delegate void SaveBytes(Span<byte> destination);

/// <summary>Takes over the bytes of one item.</summary>
internal delegate void LoadBytes(ReadOnlySpan<byte> source);

/// <summary>Says what is wrong with the bytes of one item, or null.</summary>
internal delegate string? CheckBytes(ReadOnlySpan<byte> source);

/// <summary>One named array of a checkpoint: what it is, how it is copied out, looked at, and put back.</summary>
internal sealed record CheckpointItem(SafetensorsEntry Entry, SaveBytes Save, LoadBytes Load, CheckBytes? Check = null)
{
    /// <summary>A few integers: counters, positions, a generator's state.</summary>
    /// <param name="name">Name of the item.</param>
    /// <param name="count">How many.</param>
    /// <param name="save">Gives them.</param>
    /// <param name="load">Takes them over.</param>
    /// <param name="isPossible">Whether they can be meant, asked before anything is loaded.</param>
    public static CheckpointItem Integers(
        string name,
        int count,
        Func<long[]> save,
        Action<long[]> load,
        Predicate<long[]>? isPossible = null
    ) =>
        new(
            new SafetensorsEntry(name, SafetensorsDType.I64, [count]),
            destination => MemoryMarshal.AsBytes<long>(save()).CopyTo(destination),
            source => load(Values(source)),
            source =>
                isPossible is null || isPossible(Values(source))
                    ? null
                    : $"{name} is [{string.Join(", ", Values(source))}], which cannot be"
        );

    /// <summary>A float32 array.</summary>
    /// <param name="name">Name of the item.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="save">Gives the elements.</param>
    /// <param name="load">Takes them over.</param>
    public static CheckpointItem Floats(
        string name,
        IReadOnlyList<long> shape,
        Action<Span<float>> save,
        Action<ReadOnlySpan<float>> load
    ) =>
        new(
            new SafetensorsEntry(name, SafetensorsDType.F32, shape),
            destination => save(MemoryMarshal.Cast<byte, float>(destination)),
            source => load(MemoryMarshal.Cast<byte, float>(source))
        );

    private static long[] Values(ReadOnlySpan<byte> source) => MemoryMarshal.Cast<byte, long>(source).ToArray();
}
