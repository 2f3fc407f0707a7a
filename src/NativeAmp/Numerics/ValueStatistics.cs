using System.Numerics;
using System.Runtime.Intrinsics;

namespace NativeAmp;

/// <summary>
/// Statistics of numbers from which <see cref="FormatFit"/> tells how any format, at any power-of-two scale, would hold
/// them: the count in each power of two, and the errors of rounding to each number of bits. They take one pass over the
/// numbers, and have a fixed size.
/// </summary>
/// <remarks>Not thread-safe: each thread takes its own, and <see cref="Add(ValueStatistics)"/> combines them.</remarks>
public sealed class ValueStatistics
{
    // From the smallest subnormal double to the largest.
    private const int FirstExponent = -1074;
    private const int Bins = 1023 - FirstExponent + 1;

    /// <summary>The fewest bits of fraction: -1 rounds to 0 or to the next power of two.</summary>
    internal const int FewestBits = -1;

    /// <summary>The most bits of fraction that errors are known for: those of tf32 and fp16.</summary>
    internal const int MostBits = 10;

    private const int Lanes = MostBits - FewestBits + 1;
    private const int MostOnes = MostBits + 2;
    private const ulong FractionMask = (1UL << 52) - 1;

    // Adding and subtracting one of these rounds a number in [1, 2) to that number of bits, ties to even.
    private static readonly double[] Rounders =
    [
        .. Enumerable.Range(FewestBits, Lanes).Select(bits => Math.ScaleB(1.5, 52 - bits)),
    ];

    private readonly long[] _counts = new long[Bins];
    private readonly long[] _powers = new long[Bins]; // exact powers of two
    private readonly long[] _above = new long[Bins]; // more than 1.8125 times the power of two
    private readonly long[] _ones = new long[Bins * (MostOnes + 1)]; // by how many ones the fraction begins with

    // sums of squares, of the numbers divided by the power of two
    private readonly double[] _squares = new double[Bins];
    private readonly double[] _errors = new double[Bins * Lanes]; // of their rounding errors
    private int _first = Bins;
    private int _last = -1;

    /// <summary>Number of values added.</summary>
    public long Count { get; private set; }

    /// <summary>Zeros among them, of either sign.</summary>
    public long Zeros { get; private set; }

    /// <summary>NaNs among them.</summary>
    public long NaNs { get; private set; }

    /// <summary>Infinities among them.</summary>
    public long Infinities { get; private set; }

    /// <summary>Finite numbers other than zero. Formats are compared by these.</summary>
    public long Values => Count - Zeros - NaNs - Infinities;

    /// <summary>The largest finite magnitude; 0 if there is none.</summary>
    public double Largest { get; private set; }

    /// <summary>The smallest magnitude above zero; 0 if there is none.</summary>
    public double Smallest { get; private set; }

    /// <summary>Whether every number is finite.</summary>
    public bool AllFinite => NaNs == 0 && Infinities == 0;

    /// <summary>
    /// The number of magnitudes from each power of two to the next, from the first power that has any to the last.
    /// </summary>
    public ExponentHistogram Exponents =>
        _last < 0
            ? new ExponentHistogram(0, [])
            : new ExponentHistogram(_first + FirstExponent, _counts[_first..(_last + 1)]);

    /// <summary>Adds numbers.</summary>
    public void Add(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
            Add(value, 1);
    }

    /// <summary>Adds numbers.</summary>
    public void Add(ReadOnlySpan<double> values)
    {
        foreach (double value in values)
            Add(value, 1);
    }

    /// <summary>Adds a number that occurs several times.</summary>
    /// <param name="value">The number.</param>
    /// <param name="times">How often, 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of times is negative.</exception>
    public void Add(double value, long times)
    {
        if (times < 0)
            throw new ArgumentOutOfRangeException(nameof(times), times, "A number occurs 0 times or more.");
        Count += times;
        ulong bits = BitConverter.DoubleToUInt64Bits(value) & ~(1UL << 63);
        int field = (int)(bits >> 52);
        if (bits == 0 || field == 0x7FF || times == 0)
        {
            AddSpecial(bits, field, times);
            return;
        }

        double magnitude = BitConverter.UInt64BitsToDouble(bits);
        if (magnitude > Largest)
            Largest = magnitude;
        if (magnitude < Smallest || Smallest == 0)
            Smallest = magnitude;
        int shift = 0;
        if (field == 0)
        {
            // A subnormal double, made normal.
            bits = BitConverter.DoubleToUInt64Bits(Math.ScaleB(magnitude, 64));
            field = (int)(bits >> 52);
            shift = 64;
        }

        ulong fraction = bits & FractionMask;
        int bin = field - 1023 - shift - FirstExponent;
        if (bin < _first)
            _first = bin;
        if (bin > _last)
            _last = bin;
        _counts[bin] += times;
        if (fraction == 0)
            _powers[bin] += times;
        if (fraction > 13UL << 48)
            _above[bin] += times;
        _ones[bin * (MostOnes + 1) + Math.Min(MostOnes, BitOperations.LeadingZeroCount(~(fraction << 12)))] += times;
        AddErrors(bin, BitConverter.UInt64BitsToDouble(fraction | (1023UL << 52)), times);
    }

    /// <summary>Adds all numbers of other statistics.</summary>
    public void Add(ValueStatistics others)
    {
        ArgumentNullException.ThrowIfNull(others);
        Count += others.Count;
        Zeros += others.Zeros;
        NaNs += others.NaNs;
        Infinities += others.Infinities;
        Largest = Math.Max(Largest, others.Largest);
        Smallest =
            Smallest == 0 ? others.Smallest
            : others.Smallest == 0 ? Smallest
            : Math.Min(Smallest, others.Smallest);
        if (others._last < 0)
            return;
        _first = Math.Min(_first, others._first);
        _last = Math.Max(_last, others._last);
        for (int bin = others._first; bin <= others._last; bin++)
        {
            _counts[bin] += others._counts[bin];
            _powers[bin] += others._powers[bin];
            _above[bin] += others._above[bin];
            _squares[bin] += others._squares[bin];
        }

        for (int i = others._first * (MostOnes + 1); i < (others._last + 1) * (MostOnes + 1); i++)
            _ones[i] += others._ones[i];
        for (int i = others._first * Lanes; i < (others._last + 1) * Lanes; i++)
            _errors[i] += others._errors[i];
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        (Count, Zeros, NaNs, Infinities, Largest, Smallest) = (0, 0, 0, 0, 0, 0);
        if (_last < 0)
            return;
        int bins = _last - _first + 1;
        foreach (long[] counts in (long[][])[_counts, _powers, _above])
            Array.Clear(counts, _first, bins);
        Array.Clear(_squares, _first, bins);
        Array.Clear(_ones, _first * (MostOnes + 1), bins * (MostOnes + 1));
        Array.Clear(_errors, _first * Lanes, bins * Lanes);
        (_first, _last) = (Bins, -1);
    }

    /// <summary>The powers of two that have numbers.</summary>
    internal IEnumerable<MagnitudeBin> Magnitudes()
    {
        for (int bin = _first; bin <= _last; bin++)
        {
            if (_counts[bin] > 0)
                yield return new MagnitudeBin(this, bin);
        }
    }

    private void AddSpecial(ulong bits, int field, long times)
    {
        if (bits == 0)
            Zeros += times;
        else if (field == 0x7FF && (bits & FractionMask) == 0)
            Infinities += times;
        else if (field == 0x7FF)
            NaNs += times;
    }

    private void AddErrors(int bin, double number, long times)
    {
        Vector256<double> numbers = Vector256.Create(number);
        Vector256<double> weights = Vector256.Create((double)times);
        Span<double> errors = _errors.AsSpan(bin * Lanes, Lanes);
        for (int lane = 0; lane < Lanes; lane += Vector256<double>.Count)
        {
            Vector256<double> rounder = Vector256.Create(Rounders.AsSpan(lane));
            Vector256<double> error = numbers - (numbers + rounder - rounder);
            (Vector256.Create(errors[lane..]) + error * error * weights).CopyTo(errors[lane..]);
        }

        _squares[bin] += number * number * times;
    }

    /// <summary>The numbers of one power of two.</summary>
    internal readonly struct MagnitudeBin(ValueStatistics owner, int bin)
    {
        /// <summary>The power.</summary>
        public int Exponent => bin + FirstExponent;

        public long Count => owner._counts[bin];

        /// <summary>Numbers equal to the power of two.</summary>
        public long Powers => owner._powers[bin];

        /// <summary>Numbers above 1.8125 times the power of two.</summary>
        public long Above => owner._above[bin];

        /// <summary>Sum of squares, in units of the power of two squared.</summary>
        public double Squares => owner._squares[bin];

        /// <summary>Sum of squared errors of rounding to this many bits of fraction, in the same units.</summary>
        public double Errors(int bits) => owner._errors[bin * Lanes + bits - FewestBits];

        /// <summary>
        /// Numbers rounded up to the next power of two: those whose fraction begins with more ones than there are bits.
        /// </summary>
        public long RoundedUp(int bits)
        {
            long count = 0;
            for (int ones = bits + 1; ones <= MostOnes; ones++)
                count += owner._ones[bin * (MostOnes + 1) + ones];
            return count;
        }
    }
}

/// <summary>The number of values in each power of two.</summary>
/// <param name="First">The power of the first count.</param>
/// <param name="Counts">Counts of that power and those after it.</param>
public sealed record ExponentHistogram(int First, IReadOnlyList<long> Counts);
