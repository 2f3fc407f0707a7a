using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>How a float32 value is rounded to fewer bits.</summary>
public enum Rounding
{
    /// <summary>To the nearest, ties to even.</summary>
    NearestEven = NampRounding.NearestEven,

    /// <summary>
    /// Up with the probability of the discarded fraction, drawn from a counter-based generator (Philox4x32-10).
    /// </summary>
    Stochastic = NampRounding.Stochastic,
}

/// <summary>How to cast. The default value rounds to nearest even and lets overflow go to infinity.</summary>
public readonly record struct CastOptions
{
    /// <summary>How to round when narrowing.</summary>
    public Rounding Rounding { get; init; }

    /// <summary>
    /// Whether finite values beyond the largest finite one become that value instead of infinity (NaN in E4M3). In the
    /// 8-bit formats infinity becomes that value, too.
    /// </summary>
    public bool Saturate { get; init; }

    /// <summary>Device pointer to a float32 factor applied before narrowing; 0 for none.</summary>
    public nint ScalePointer { get; init; }

    /// <summary>Stochastic rounding: key of the generator.</summary>
    public ulong Seed { get; init; }

    /// <summary>
    /// Stochastic rounding: offset added to the element's index. Advance it by the number of elements cast so far.
    /// </summary>
    public ulong Offset { get; init; }

    internal unsafe NampCastOptions ToNative()
    {
        var options = NampCastOptions.Create();
        options.Rounding = (int)Rounding;
        options.Flags = (int)(Saturate ? NampCastFlags.Saturate : NampCastFlags.Default);
        options.Scale = (float*)ScalePointer;
        options.Seed = Seed;
        options.Offset = Offset;
        return options;
    }
}
