namespace NativeAmp.Training.Data;

/// <summary>
/// Mean and standard deviation of what a network reads: of pixels, which run from 0 to 1, or of a column of numbers.
/// Networks learn from numbers around 1 with a mean of 0.
/// </summary>
/// <param name="Mean">The mean, which is subtracted.</param>
/// <param name="Deviation">The standard deviation, which the difference is divided by.</param>
public readonly record struct Normalization(double Mean, double Deviation)
{
    /// <summary>A value without its mean, divided by the deviation.</summary>
    public double Apply(double value) => (value - Mean) / Deviation;

    /// <summary>The value that <see cref="Apply"/> made this of.</summary>
    public double Undo(double normalized) => normalized * Deviation + Mean;

    /// <summary>
    /// Mean and deviation of these pixels (0 to 255 stands for 0 to 1); a deviation of 0 counts as 1.
    /// </summary>
    public static Normalization Of(ReadOnlySpan<byte> pixels)
    {
        // Integer sums over a histogram are exact, so that they do not depend on the order.
        Span<long> histogram = stackalloc long[256];
        histogram.Clear();
        foreach (byte pixel in pixels)
            histogram[pixel]++;
        long sum = 0;
        long squares = 0;
        for (int value = 0; value < 256; value++)
        {
            sum += histogram[value] * value;
            squares += histogram[value] * value * value;
        }

        double count = Math.Max(1, pixels.Length);
        double mean = sum / count;
        double variance = Math.Max(0, squares / count - mean * mean);
        return new Normalization(mean / 255, variance == 0 ? 1 : Math.Sqrt(variance) / 255);
    }

    /// <summary>Mean and deviation of one column of rows; a deviation of 0 counts as 1.</summary>
    internal static Normalization OfColumn(ReadOnlySpan<double> rows, int column, int columns)
    {
        // Differences from one of the values are exact where all are equal, and small where all are large.
        double origin = rows[column];
        double count = rows.Length / columns;
        double sum = 0;
        for (int i = column; i < rows.Length; i += columns)
            sum += rows[i] - origin;
        double mean = sum / count;
        double squares = 0;
        for (int i = column; i < rows.Length; i += columns)
            squares += (rows[i] - origin - mean) * (rows[i] - origin - mean);
        double deviation = Math.Sqrt(squares / count);
        return new Normalization(origin + mean, deviation == 0 ? 1 : deviation);
    }
}
