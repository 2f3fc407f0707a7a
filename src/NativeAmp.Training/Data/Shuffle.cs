namespace NativeAmp.Training.Data;

/// <summary>
/// A seeded permutation of 0 … count-1 that is computed, not stored. Any position of any epoch is found at once, for
/// any size, so that a run resumes without replaying.
/// </summary>
/// <remarks>
/// A balanced Feistel network over the smallest even number of bits that holds the count, walked until it lands inside
/// (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002): a bijection by construction.
/// </remarks>
internal readonly struct Shuffle
{
    private const int Rounds = 6;

    private readonly ulong _key;
    private readonly ulong _count;
    private readonly int _halfBits;

    public Shuffle(long count, ulong seed, long epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        _count = (ulong)count;
        _key = Mix(seed ^ Mix((ulong)epoch + 0x9E3779B97F4A7C15));
        int bits = count <= 1 ? 1 : 64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)count - 1);
        _halfBits = (bits + 1) / 2;
    }

    /// <summary>The index at a position, 0 … count-1.</summary>
    public long this[long position]
    {
        get
        {
            ulong value = (ulong)position;
            do
            {
                value = Encipher(value);
            } while (value >= _count);
            return (long)value;
        }
    }

    /// <summary>SplitMix64's finaliser (Steele, Lea and Flood 2014).</summary>
    public static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    private ulong Encipher(ulong value)
    {
        ulong mask = (1UL << _halfBits) - 1;
        ulong left = value >> _halfBits;
        ulong right = value & mask;
        for (uint round = 0; round < Rounds; round++)
            (left, right) = (right, left ^ (Mix(_key + round * 0x9E3779B97F4A7C15 + right) & mask));
        return (left << _halfBits) | right;
    }
}
