namespace NativeAmp;

/// <summary>How well a format holds numbers that are first multiplied by a power of two.</summary>
/// <param name="Format">The format.</param>
/// <param name="Scale">The power of two.</param>
/// <param name="Overflow">Numbers rounded past the largest value.</param>
/// <param name="Underflow">Numbers rounded to zero.</param>
/// <param name="Subnormal">Numbers that become subnormal, with fewer significant bits; 0 for an integer, whose steps
/// are all equal.</param>
/// <param name="Values">Number of finite values other than zero.</param>
/// <param name="SignalToNoise">
/// Sum of squares over sum of squared rounding errors, in decibels (10 log10 of the ratio). Positive infinity if
/// nothing is lost. Null if there are no numbers, or if some overflow: an infinity has no error.
/// </param>
public sealed record FormatFit(
    NumberFormat Format,
    int Scale,
    long Overflow,
    long Underflow,
    long Subnormal,
    long Values,
    double? SignalToNoise
)
{
    /// <summary>Numbers that stay normal, with the full precision of the format.</summary>
    public long Kept => Values - Overflow - Underflow - Subnormal;

    /// <summary>Computes how well a format holds these numbers.</summary>
    /// <param name="numbers">The numbers.</param>
    /// <param name="format">A format with at most 10 bits of fraction; not float32.</param>
    /// <param name="scale">The power of two that they are multiplied by first.</param>
    /// <exception cref="ArgumentException">The format has more bits.</exception>
    /// <remarks>
    /// The counts are exact; the sums of squares are in double precision. Integers are taken as symmetric, without -128
    /// and -8, as quantization uses them.
    /// </remarks>
    public static FormatFit Of(ValueStatistics numbers, NumberFormat format, int scale = 0)
    {
        ArgumentNullException.ThrowIfNull(numbers);
        ArgumentNullException.ThrowIfNull(format);
        var grid = new Grid(format);
        (long overflow, long underflow, long subnormal) = (0, 0, 0);
        (double signal, double noise) = (0, 0);
        int unit = numbers.Exponents is { Counts.Count: > 0 } exponents ? exponents.First + exponents.Counts.Count : 0;
        foreach (ValueStatistics.MagnitudeBin bin in numbers.Magnitudes())
        {
            BinFit fit = grid.Fit(bin, scale);
            overflow += fit.Overflow;
            underflow += fit.Underflow;
            subnormal += fit.Subnormal;
            // In units of the largest, so that squares stay within a double's range.
            signal += Math.ScaleB(bin.Squares, 2 * (bin.Exponent - unit));
            noise += Math.ScaleB(fit.Noise, 2 * (bin.Exponent - unit));
        }

        double? decibels =
            overflow > 0 || numbers.Values == 0 ? null
            : noise == 0 ? double.PositiveInfinity
            : 10 * Math.Log10(signal / noise);
        return new FormatFit(
            format,
            scale,
            overflow,
            underflow,
            format.IsInteger ? 0 : subnormal,
            numbers.Values,
            decibels
        );
    }

    /// <summary>
    /// The best power-of-two scale: nothing overflows, and the most values stay normal. Among equals it is the one
    /// nearest to 1. For an integer format, whose precision grows with the scale, it is the largest that does not
    /// overflow.
    /// </summary>
    /// <param name="numbers">The numbers.</param>
    /// <param name="format">As for <see cref="Of"/>.</param>
    public static FormatFit Best(ValueStatistics numbers, NumberFormat format)
    {
        ArgumentNullException.ThrowIfNull(numbers);
        ArgumentNullException.ThrowIfNull(format);
        if (numbers.Values == 0)
            return Of(numbers, format);
        ValueStatistics.MagnitudeBin largest = numbers.Magnitudes().Last();
        int most = format.MaxExponent - largest.Exponent;
        if (new Grid(format).Fit(largest, most).Overflow > 0)
            most--;
        FormatFit best = Of(numbers, format, most);
        if (format.IsInteger || most <= 0)
            return best;
        // The count kept grows with the scale: bisection finds the first power that keeps as many.
        (int low, int high) = (0, most);
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = Of(numbers, format, middle).Kept == best.Kept ? (low, middle) : (middle + 1, high);
        }

        return Of(numbers, format, low);
    }

    private readonly record struct BinFit(long Overflow, long Underflow, long Subnormal, double Noise);

    /// <summary>
    /// The spacing of a format's values. An integer's values are those of a float whose normal numbers begin at its
    /// largest power of two.
    /// </summary>
    private readonly struct Grid
    {
        private readonly int _bits;
        private readonly int _least;
        private readonly int _most;
        private readonly bool _endsEarly; // E4M3: 1.75 times its largest power of two is the largest value

        public Grid(NumberFormat format)
        {
            _bits = format.IsInteger ? format.MaxExponent : format.FractionBits;
            if (_bits > ValueStatistics.MostBits)
                throw new ArgumentException(
                    $"{format.Name} has {_bits} bits of fraction; errors are counted up to {ValueStatistics.MostBits}.",
                    nameof(format)
                );
            _least = format.IsInteger ? format.MaxExponent : format.MinExponent;
            _most = format.MaxExponent;
            _endsEarly = format.Specials == SpecialValues.NaNOnly;
        }

        public BinFit Fit(in ValueStatistics.MagnitudeBin bin, int scale)
        {
            int exponent = bin.Exponent + scale;
            if (exponent > _most)
                return new BinFit(bin.Count, 0, 0, 0);
            int bits = _bits - Math.Max(0, _least - exponent);
            if (bits < ValueStatistics.FewestBits)
                return new BinFit(0, bin.Count, 0, bin.Squares);
            long overflow =
                exponent < _most ? 0
                : _endsEarly ? bin.Above
                : bin.RoundedUp(bits);
            // Half of the smallest value is a tie, which goes to zero, the even one.
            long underflow = bits == ValueStatistics.FewestBits ? bin.Powers : 0;
            // The largest of them are rounded up to the smallest normal value.
            long subnormal =
                exponent >= _least
                    ? 0
                    : bin.Count - underflow - (exponent == _least - 1 && bits >= 0 ? bin.RoundedUp(bits) : 0);
            return new BinFit(overflow, underflow, subnormal, bin.Errors(bits));
        }
    }
}
