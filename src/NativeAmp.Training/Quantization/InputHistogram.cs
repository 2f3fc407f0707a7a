namespace NativeAmp.Training.Quantization;

/// <summary>
/// The values that a layer's input has in a calibration: their ends, and how many lie in bins of one width, from zero
/// on to both sides. Where a value lies beyond the last bin, bins are joined in pairs, which is exact.
/// </summary>
internal sealed class InputHistogram
{
    // Of a side; after bins were joined half of them are used. So a code of 8 bits has 16 bins or more.
    private const int Bins = 8192;

    // Parts of an end that the search for the least error tries, and how often it takes turns between the ends.
    private const int Parts = 128;
    private const int Turns = 4;

    private readonly long[] _above = new long[Bins];
    private readonly long[] _below = new long[Bins];
    private long _zeros;
    private double _width;
    private double _smallest;
    private double _largest;

    /// <summary>Whether a value other than zero was seen.</summary>
    public bool HasValues => _width > 0;

    /// <summary>Adds values. Those that are not finite are left out.</summary>
    public void Add(ReadOnlySpan<float> values)
    {
        double reach = 0;
        foreach (float value in values)
        {
            if (!float.IsFinite(value))
                continue;
            _smallest = Math.Min(_smallest, value);
            _largest = Math.Max(_largest, value);
            reach = Math.Max(reach, Math.Abs((double)value));
        }

        if (reach > 0 && _width == 0)
            _width = Math.ScaleB(1, Math.ILogB(reach) + 1) / Bins;
        while (reach > Bins * _width)
        {
            Join(_above);
            Join(_below);
            _width *= 2;
        }

        foreach (float value in values)
        {
            if (value == 0)
                _zeros++;
            else if (float.IsFinite(value))
                (value > 0 ? _above : _below)[(int)Math.Min(Bins - 1, Math.Abs(value / _width))]++;
        }
    }

    /// <summary>The codes of the range that an observer chooses. There are values.</summary>
    public InputCodes Choose(QuantizationObserver observer, double percentile)
    {
        (double low, double high) = observer switch
        {
            QuantizationObserver.MinMax => (_smallest, _largest),
            QuantizationObserver.Percentile => (
                Math.Max(_smallest, -Beyond(_below, percentile)),
                Math.Min(_largest, Beyond(_above, percentile))
            ),
            _ => LeastError(),
        };
        // A percentile may leave nothing but zeros.
        return low < high ? InputCodes.Of(low, high) : InputCodes.Of(_smallest, _largest);
    }

    /// <summary>The sum of squared errors of the values, each as its bin's centre, by codes.</summary>
    private static double Error(InputCodes codes, List<(double Value, long Count)> bins)
    {
        double sum = 0;
        foreach ((double value, long count) in bins)
        {
            double error = value - codes.Round(value);
            sum += error * error * count;
        }

        return sum;
    }

    private (double Low, double High) LeastError()
    {
        List<(double, long)> bins = [.. Centres(_below, -_width), .. Centres(_above, _width)];
        double low = _smallest;
        double high = _largest;
        double least = Error(InputCodes.Of(low, high), bins);
        for (int turn = 0; turn < Turns; turn++)
        {
            double before = least;
            for (int part = 1; part < Parts; part++)
                Try(low, _largest * part / Parts);
            for (int part = 1; part < Parts; part++)
                Try(_smallest * part / Parts, high);
            if (least == before)
                break;
        }

        return (low, high);

        void Try(double from, double to)
        {
            if (from >= to)
                return;
            double error = Error(InputCodes.Of(from, to), bins);
            if (error < least)
                (least, low, high) = (error, from, to);
        }
    }

    private static IEnumerable<(double, long)> Centres(long[] counts, double width) =>
        counts.Select((count, i) => ((i + 0.5) * width, count)).Where(bin => bin.count > 0);

    // The outer edge of the outermost bin of a side that is not left out.
    private double Beyond(long[] counts, double percentile)
    {
        double left = (100 - percentile) / 100 * (_zeros + _above.Sum() + _below.Sum());
        int bin = Bins;
        while (bin > 0 && left >= counts[bin - 1])
            left -= counts[--bin];
        return bin * _width;
    }

    private static void Join(long[] counts)
    {
        for (int i = 0; i < Bins / 2; i++)
            counts[i] = counts[2 * i] + counts[2 * i + 1];
        Array.Clear(counts, Bins / 2, Bins / 2);
    }
}
