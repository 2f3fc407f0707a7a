using NativeAmp.Cli.Verify;

namespace NativeAmp.Training.Tests.Cli;

public class ToleranceTests
{
    [TestCase(1f, 1f, 0)]
    [TestCase(1f, 1.0000001f, 1)]
    [TestCase(0f, -0f, 0)]
    [TestCase(float.Epsilon, -float.Epsilon, 2)]
    [TestCase(1.9999999f, 2f, 1)]
    public void Ulps_count_the_floats_between(float a, float b, long ulps)
    {
        // Both zeros are one place on the line.
        Assert.That(Tolerance.UlpsBetween(a, b), Is.EqualTo(ulps));
        Assert.That(Tolerance.UlpsBetween(b, a), Is.EqualTo(ulps));
    }

    [Test]
    public void Tolerances_are_the_golden_readmes()
    {
        Assert.That(Tolerance.Exact.Fraction(1, MathF.BitIncrement(1)), Is.EqualTo(double.PositiveInfinity));
        Assert.That(Tolerance.Exact.Fraction(0f, -0f), Is.EqualTo(double.PositiveInfinity));
        Assert.That(Tolerance.Exact.Fraction(float.NaN, float.NaN), Is.Zero);
        Assert.That(Tolerance.Exact.Fraction(1, float.NaN), Is.EqualTo(double.PositiveInfinity));
        Assert.That(Tolerance.Adam.Fraction(float.Epsilon, 3 * float.Epsilon), Is.EqualTo(1));
        Assert.That(Tolerance.Adam.Fraction(1, 1.0000009f), Is.LessThan(1));
        Assert.That(Tolerance.Adam.Fraction(1, 1.0000012f), Is.GreaterThan(1));
        Assert.That(Tolerance.Layers.Fraction(0, 0.9e-6f), Is.LessThan(1));
        Assert.That(Tolerance.Layers.Fraction(0, 1.1e-6f), Is.GreaterThan(1));
        Assert.That(Tolerance.Training.Fraction(100, 100.0099f), Is.LessThan(1));
        Assert.That(Tolerance.Training.Fraction(100, 100.0102f), Is.GreaterThan(1));
        Assert.That(Tolerance.AmpLosses.Fraction(1, float.PositiveInfinity), Is.EqualTo(double.PositiveInfinity));
    }
}
