using System.Collections.Concurrent;

namespace NativeAmp.Tests;

/// <summary>Lengths and alignments around every border of the loops.</summary>
internal static class Sizes
{
    /// <summary>Elements of a chunk in native/table_view.h.</summary>
    public const int Chunk = 16384;

    public static readonly DType[] FloatingPoint = [DType.Float32, DType.Float16, DType.BFloat16];

    public static readonly int[] Misalignments = [0, 1, 3, 7];

    /// <summary>0 to 67, and around one, two and some chunks.</summary>
    public static int[] Lengths { get; } =
    [
        .. Enumerable.Range(0, 68),
        Chunk - 1,
        Chunk,
        Chunk + 1,
        Chunk + 17,
        2 * Chunk - 1,
        2 * Chunk,
        2 * Chunk + 33,
        5 * Chunk + 5,
    ];

    /// <summary>The lengths that are fast enough on a device.</summary>
    public static int[] LengthsOn(DeviceKind kind) =>
        kind.IsEmulated() ? [.. Enumerable.Range(0, 34), 63, 64, 65, 67, Chunk - 1, Chunk + 17] : Lengths;

    /// <summary>Numbers that are the same in every run: magnitudes from 2^-20 to 2^4, both signs.</summary>
    public static float[] Numbers(int count, int seed) => [.. Known.GetOrAdd((count, seed), Draw)];

    // Drawn once a process: the tests of Adam ask for the same ones in every setting.
    private static readonly ConcurrentDictionary<(int Count, int Seed), float[]> Known = new();

    private static float[] Draw((int Count, int Seed) numbers)
    {
        (int count, int seed) = numbers;
        var random = new Random(seed);
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(_ => (float)((random.NextDouble() * 2 - 1) * Math.Pow(2, random.Next(-20, 5)))),
        ];
    }
}
