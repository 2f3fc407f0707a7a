using NativeAmp.Cli.Study;

namespace NativeAmp.Training.Tests.Study;

/// <summary>Statistics of repeats, against published tables and arithmetic by hand.</summary>
internal sealed class StatisticsTests
{
    // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2: upper critical values of Student's t, probability
    // 0.975.
    [TestCase(1, 12.706)]
    [TestCase(2, 4.303)]
    [TestCase(4, 2.776)]
    [TestCase(9, 2.262)]
    [TestCase(30, 2.042)]
    [TestCase(100, 1.984)]
    public void Quantiles_are_those_of_the_printed_table(int degrees, double quantile) =>
        Assert.That(Statistics.Quantile(degrees), Is.EqualTo(quantile).Within(0.0005));

    [Test]
    public void A_mean_has_the_interval_that_a_hand_computes()
    {
        // 1, 2, 3: deviation 1, standard error 1/√3, two degrees of freedom.
        Estimate mean = Statistics.Mean([1, 2, 3]);
        Assert.That(mean.Value, Is.EqualTo(2));
        Assert.That(mean.High - mean.Value, Is.EqualTo(4.3027 / Math.Sqrt(3)).Within(1e-3));
        Assert.That(mean.Value - mean.Low, Is.EqualTo(mean.High - mean.Value).Within(1e-12));
    }

    [Test]
    public void One_value_has_no_interval_and_none_no_mean()
    {
        Assert.That((Statistics.Mean([5]).Value, Statistics.Mean([5]).HasInterval), Is.EqualTo((5.0, false)));
        Assert.That(Statistics.Mean([]).Value, Is.NaN);
        Assert.That(Statistics.Median([]), Is.NaN);
        Assert.That(
            Statistics.Difference([1], [2]),
            Has.Property(nameof(Estimate.Value)).EqualTo(-1).And.Property(nameof(Estimate.HasInterval)).False
        );
    }

    [Test]
    public void A_difference_has_Welchs_degrees_of_freedom()
    {
        // Variances of the means 1/3 and 4/3: (5/3)² / ((1/9 + 16/9) / 2) = 50/17 degrees of freedom, between 2 and 3
        // of the table.
        Estimate difference = Statistics.Difference([1, 2, 3], [2, 4, 6]);
        Assert.That(difference.Value, Is.EqualTo(-2));
        double errors = (difference.High - difference.Value) / Math.Sqrt(5.0 / 3);
        Assert.That(errors, Is.InRange(3.182, 4.303));
        Assert.That(errors, Is.EqualTo(Statistics.Quantile(50.0 / 17)).Within(1e-9));
    }

    [Test]
    public void A_ratio_is_compared_by_logarithms()
    {
        Estimate ratio = Statistics.Ratio([2, 8], [1, 1]);
        Assert.That(ratio.Value, Is.EqualTo(4).Within(1e-12), "the geometric mean of 2 and 8");
        Assert.That(ratio.Low * ratio.High, Is.EqualTo(16).Within(1e-6), "the interval is even in ratios");
        Assert.That(Statistics.Ratio([3, 3], [3, 3]), Is.EqualTo(new Estimate(1, 1, 1)));
    }

    [Test]
    public void What_an_interval_leaves_out_is_told_from_what_it_holds()
    {
        Assert.That(new Estimate(1.2, 1.1, 1.3).Excludes(1), Is.True);
        Assert.That(new Estimate(1.2, 0.9, 1.5).Excludes(1), Is.False);
        Assert.That(
            new Estimate(1.2, double.NaN, double.NaN).Excludes(1),
            Is.False,
            "without an interval nothing is left out"
        );
    }

    [TestCase(1234.5, "1234")]
    [TestCase(12.345, "12.3")]
    [TestCase(0.01234, "0.0123")]
    [TestCase(0, "0")]
    [TestCase(double.NaN, "-")]
    public void Numbers_are_written_with_three_digits_that_count(double value, string text) =>
        Assert.That(Words.Number(value), Is.EqualTo(text));
}
