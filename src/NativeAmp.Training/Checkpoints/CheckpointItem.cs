using System.Runtime.InteropServices;

namespace NativeAmp.Training.Checkpoints;

/// <summary>Writes the bytes of one item to the destination.</summary>
internal delegate void SaveBytes(Span<byte> destination);

/// <summary>Loads one item from its bytes.</summary>
internal delegate void LoadBytes(ReadOnlySpan<byte> source);

/// <summary>Checks the bytes of one item. Returns the reason why they are not valid, or null.</summary>
internal delegate string? CheckBytes(ReadOnlySpan<byte> source);

/// <summary>One named array of a checkpoint, with functions that save, check and load its bytes.</summary>
internal sealed record CheckpointItem(SafetensorsEntry Entry, SaveBytes Save, LoadBytes Load, CheckBytes? Check = null)
{
    /// <summary>A few integers: counters, positions, a generator's state.</summary>
    /// <param name="name">Name of the item.</param>
    /// <param name="count">Number of integers.</param>
    /// <param name="save">Returns the integers to save.</param>
    /// <param name="load">Loads the values.</param>
    /// <param name="isPossible">Whether the values are possible. It is called before anything is loaded.</param>
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
    /// <param name="save">Returns the elements to save.</param>
    /// <param name="load">Loads the values.</param>
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
