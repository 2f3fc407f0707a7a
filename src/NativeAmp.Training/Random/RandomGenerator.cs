namespace NativeAmp.Training;

/// <summary>The whole state of a <see cref="RandomGenerator"/>.</summary>
/// <param name="Seed">The key.</param>
/// <param name="Offset">Number of words drawn so far.</param>
public readonly record struct RandomState(ulong Seed, ulong Offset);

/// <summary>
/// A counter-based random generator: word i is word i % 4 of Philox4x32-10 (Salmon et al. 2011) applied to block i / 4
/// under the seed. Its state is two numbers, which can be saved and restored. Kernels draw the same words on the
/// device. Any threads may draw by kernels (dropout) at once; numbers on the host, such as a new module's initial
/// values, one thread at a time.
/// </summary>
public sealed class RandomGenerator
{
    private ulong _offset;
    private ulong _cachedBlock = ulong.MaxValue;
    private (uint A, uint B, uint C, uint D) _cached;

    /// <summary>A generator that starts at the first word of a seed.</summary>
    public RandomGenerator(ulong seed) => Seed = seed;

    /// <summary>The default generator of modules' initial values and masks.</summary>
    public static RandomGenerator Default { get; } = new(0);

    /// <summary>The key.</summary>
    public ulong Seed { get; private set; }

    /// <summary>The state to save. Setting it continues exactly where it was read.</summary>
    public RandomState State
    {
        get => new(Seed, _offset);
        set
        {
            Seed = value.Seed;
            _offset = value.Offset;
            _cachedBlock = ulong.MaxValue;
        }
    }

    /// <summary>Starts anew under a seed.</summary>
    public void Reseed(ulong seed) => State = new RandomState(seed, 0);

    /// <summary>32 uniform bits.</summary>
    public uint NextUInt32()
    {
        ulong index = _offset++;
        if (_cachedBlock != index / 4)
        {
            _cachedBlock = index / 4;
            _cached = Philox(_cachedBlock, Seed);
        }

        return (index % 4) switch
        {
            0 => _cached.A,
            1 => _cached.B,
            2 => _cached.C,
            _ => _cached.D,
        };
    }

    /// <summary>A number in [0, 1) with 24 random bits.</summary>
    public float NextSingle() => (NextUInt32() >> 8) * (1f / (1 << 24));

    /// <summary>A number from the standard normal distribution, by Box and Muller's transform.</summary>
    public float NextNormal()
    {
        // (0, 1], so that the logarithm is finite.
        double radius = (NextUInt32() + 1.0) / 4294967296.0;
        double angle = NextUInt32() / 4294967296.0;
        return (float)(Math.Sqrt(-2 * Math.Log(radius)) * Math.Cos(2 * Math.PI * angle));
    }

    /// <summary>Reserves words for a kernel that draws them itself. Each thread gets words of its own.</summary>
    /// <returns>The index of the first word.</returns>
    internal ulong Reserve(long count) => Interlocked.Add(ref _offset, (ulong)count) - (ulong)count;

    /// <summary>
    /// Reserves words for a kernel of a device. While a graph is captured, each of its launches takes other ones.
    /// </summary>
    /// <returns>The index of the first word, and a device pointer to a number that the kernel adds to it; 0 for
    /// none.</returns>
    internal (ulong Offset, nint Base) Reserve(Device device, long count)
    {
        CapturedWords? words = DeviceGraph.Near(device)?.Part(this, () => new CapturedWords(device, this));
        return words is not null && DeviceGraph.IsCapturing ? words.Reserve(count) : (Reserve(count), 0);
    }

    private static (uint A, uint B, uint C, uint D) Philox(ulong block, ulong seed)
    {
        (uint a, uint b, uint c, uint d) = ((uint)block, (uint)(block >> 32), 0u, 0u);
        (uint key0, uint key1) = ((uint)seed, (uint)(seed >> 32));
        for (int round = 0; round < 10; round++)
        {
            ulong product0 = 0xD2511F53ul * a;
            ulong product1 = 0xCD9E8D57ul * c;
            (a, b, c, d) = (
                (uint)(product1 >> 32) ^ b ^ key0,
                (uint)product1,
                (uint)(product0 >> 32) ^ d ^ key1,
                (uint)product0
            );
            key0 += 0x9E3779B9;
            key1 += 0xBB67AE85;
        }

        return (a, b, c, d);
    }
}
