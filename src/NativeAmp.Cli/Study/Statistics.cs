using MathNet.Numerics.Distributions;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Cli.Study;

/// <summary>
/// A mean, or a ratio or difference of means, with its 95 % confidence interval. The interval is NaN if there are too
/// few values.
/// </summary>
/// <param name="Value">The estimate.</param>
/// <param name="Low">Lower end of the interval.</param>
/// <param name="High">Upper end of the interval.</param>
internal readonly record struct Estimate(double Value, double Low, double High)
{
    /// <summary>Whether there is an interval.</summary>
    public bool HasInterval => double.IsFinite(Low) && double.IsFinite(High);

    /// <summary>Whether there is an interval that does not contain a value.</summary>
    public bool Excludes(double value) => HasInterval && (value < Low || value > High);
}

/// <summary>
/// Statistics of repeats. Intervals are Student's t (W. S. Gosset, "The Probable Error of a Mean", Biometrika 6, 1908),
/// for two samples with Welch's degrees of freedom (B. L. Welch, Biometrika 34, 1947): they are valid for few repeats,
/// from which a bootstrap could hardly draw.
/// </summary>
internal static class Statistics
{
    private const double Upper = 0.975;

    /// <summary>The 0.975 quantile of Student's t: half the width of a 95 % interval in standard errors.</summary>
    /// <param name="degrees">Degrees of freedom, above 0.</param>
    public static double Quantile(double degrees) => StudentT.InvCDF(0, 1, degrees, Upper);

    /// <summary>The median; NaN if there are no values.</summary>
    public static double Median(IReadOnlyCollection<double> values) =>
        values.Count == 0 ? double.NaN : Timing.Quantile([.. values], 0.5);

    /// <summary>The mean and its interval; NaN if there are no values.</summary>
    public static Estimate Mean(IReadOnlyCollection<double> values)
    {
        (double mean, double error, int count) = Moments(values);
        double half = count < 2 ? double.NaN : Quantile(count - 1) * Math.Sqrt(error);
        return new Estimate(mean, mean - half, mean + half);
    }

    /// <summary>The geometric mean of values above 0. Its interval stays above 0.</summary>
    public static Estimate GeometricMean(IReadOnlyCollection<double> values)
    {
        Estimate logarithm = Mean([.. values.Select(value => Math.Log(value))]);
        return new Estimate(Math.Exp(logarithm.Value), Math.Exp(logarithm.Low), Math.Exp(logarithm.High));
    }

    /// <summary>The mean of a minus the mean of b.</summary>
    public static Estimate Difference(IReadOnlyCollection<double> a, IReadOnlyCollection<double> b)
    {
        (double meanA, double errorA, int countA) = Moments(a);
        (double meanB, double errorB, int countB) = Moments(b);
        double difference = meanA - meanB;
        if (countA < 2 || countB < 2)
            return new Estimate(difference, double.NaN, double.NaN);
        double error = errorA + errorB;
        if (error == 0)
            return new Estimate(difference, difference, difference);
        double degrees = error * error / (errorA * errorA / (countA - 1) + errorB * errorB / (countB - 1));
        double half = Quantile(degrees) * Math.Sqrt(error);
        return new Estimate(difference, difference - half, difference + half);
    }

    /// <summary>
    /// The ratio of a to b: that of their geometric means, with the interval computed from logarithms. Values are above
    /// 0.
    /// </summary>
    public static Estimate Ratio(IReadOnlyCollection<double> a, IReadOnlyCollection<double> b)
    {
        Estimate logarithm = Difference(
            [.. a.Select(value => Math.Log(value))],
            [.. b.Select(value => Math.Log(value))]
        );
        return new Estimate(Math.Exp(logarithm.Value), Math.Exp(logarithm.Low), Math.Exp(logarithm.High));
    }

    /// <summary>The mean, and its variance.</summary>
    private static (double Mean, double Error, int Count) Moments(IReadOnlyCollection<double> values)
    {
        if (values.Count == 0)
            return (double.NaN, double.NaN, 0);
        double mean = values.Average();
        double squares = values.Sum(value => (value - mean) * (value - mean));
        return (mean, values.Count < 2 ? double.NaN : squares / (values.Count - 1) / values.Count, values.Count);
    }
}
