using CsCheck;

namespace NativeAmp.Tests;

/// <summary>Counts and errors from one pass, against rounding every number by itself with exact arithmetic.</summary>
public sealed class FormatFitTests
{
    // Powers of two, ties at many bits, all ones, and any fraction: over a range that overflows and underflows every
    // format.
    private static readonly Gen<double> Number = Gen.Select(
        Gen.Int[-32, 18],
        Gen.OneOf(
            Gen.Const(0UL),
            Gen.ULong[0, (1UL << 12) - 1].Select(top => top << 40),
            Gen.Int[0, 51].Select(ones => ((1UL << ones) - 1) << (52 - ones)),
            Gen.ULong[0, (1UL << 52) - 1]
        ),
        Gen.Bool,
        (exponent, fraction, negative) =>
            (negative ? -1 : 1) * BitConverter.UInt64BitsToDouble(((ulong)(exponent + 1023) << 52) | fraction)
    );

    private static readonly NumberFormat[] Formats =
    [
        .. NumberFormat.All.Where(format => format != NumberFormat.Float32),
    ];

    [Test]
    public void A_fit_is_what_rounding_each_number_gives() =>
        Gen.Select(Number.Array[1, 40], Gen.Int[-6, 6])
            .Sample(
                (numbers, scale) =>
                {
                    ValueStatistics statistics = Of(numbers);
                    foreach (NumberFormat format in Formats)
                    {
                        FormatFit fit = FormatFit.Of(statistics, format, scale);
                        FormatFit oracle = Oracle(numbers, format, scale);
                        if (
                            (fit.Overflow, fit.Underflow, fit.Subnormal, fit.Values)
                            != (oracle.Overflow, oracle.Underflow, oracle.Subnormal, oracle.Values)
                        )
                            return false;
                        if (
                            fit.SignalToNoise is { } decibels
                                ? !Near(decibels, oracle.SignalToNoise!.Value)
                                : oracle.SignalToNoise is not null
                        )
                            return false;
                    }

                    return true;
                },
                iter: 200,
                seed: "0000KDGOoLD5"
            );

    [Test]
    public void The_best_scale_overflows_nothing_and_none_keeps_more() =>
        Number
            .Array[1, 20]
            .Sample(
                numbers =>
                {
                    ValueStatistics statistics = Of(numbers);
                    foreach (
                        NumberFormat format in (NumberFormat[])
                            [NumberFormat.Float16, NumberFormat.Float8E4M3, NumberFormat.Float4E2M1]
                    )
                    {
                        FormatFit best = FormatFit.Best(statistics, format);
                        if (best.Overflow != 0)
                            return false;
                        for (int scale = -30; scale <= 50; scale++)
                        {
                            FormatFit other = FormatFit.Of(statistics, format, scale);
                            if (
                                other.Overflow == 0
                                && (
                                    other.Kept > best.Kept
                                    || (other.Kept == best.Kept && Math.Abs(scale) < Math.Abs(best.Scale))
                                )
                            )
                                return false;
                        }
                    }

                    return FormatFit.Best(statistics, NumberFormat.Int8) is { Overflow: 0, Scale: var most }
                        && FormatFit.Of(statistics, NumberFormat.Int8, most + 1).Overflow > 0;
                },
                iter: 100,
                seed: "0000KDGOoLD5"
            );

    [Test]
    public void What_is_not_finite_and_zeros_are_counted_apart()
    {
        ValueStatistics statistics = Of([
            0,
            -0.0,
            double.NaN,
            double.PositiveInfinity,
            double.NegativeInfinity,
            3,
            -0.25,
        ]);

        Assert.Multiple(() =>
        {
            Assert.That(
                (statistics.Count, statistics.Zeros, statistics.NaNs, statistics.Infinities, statistics.Values),
                Is.EqualTo((7, 2, 1, 2, 2))
            );
            Assert.That((statistics.Largest, statistics.Smallest), Is.EqualTo((3, 0.25)));
            Assert.That(statistics.Exponents.First, Is.EqualTo(-2));
            Assert.That(statistics.Exponents.Counts, Is.EqualTo(new long[] { 1, 0, 0, 1 }));
        });
    }

    [Test]
    public void Statistics_of_parts_add_up_and_are_forgotten() =>
        Gen.Select(Number.Array[0, 20], Number.Array[0, 20])
            .Sample(
                (some, others) =>
                {
                    ValueStatistics sum = Of(some);
                    sum.Add(Of(others));
                    ValueStatistics whole = Of([.. some, .. others]);
                    FormatFit a = FormatFit.Of(sum, NumberFormat.Float16),
                        b = FormatFit.Of(whole, NumberFormat.Float16);
                    bool same =
                        (a with { SignalToNoise = 0 }) == (b with { SignalToNoise = 0 })
                        && sum.Exponents.Counts.SequenceEqual(whole.Exponents.Counts)
                        && (sum.Largest, sum.Smallest, sum.Count) == (whole.Largest, whole.Smallest, whole.Count);
                    sum.Clear();
                    return same
                        && sum.Count == 0
                        && sum.Exponents.Counts.Count == 0
                        && FormatFit.Of(sum, NumberFormat.Float16)
                            == FormatFit.Of(new ValueStatistics(), NumberFormat.Float16);
                },
                iter: 200,
                seed: "0000KDGOoLD5"
            );

    [Test]
    public void The_smallest_and_largest_doubles_are_numbers_too()
    {
        ValueStatistics statistics = Of([double.Epsilon, double.MaxValue]);

        Assert.Multiple(() =>
        {
            Assert.That(statistics.Exponents.First, Is.EqualTo(-1074));
            Assert.That(statistics.Exponents.Counts, Has.Count.EqualTo(1074 + 1023 + 1));
            Assert.That(
                FormatFit.Of(statistics, NumberFormat.BFloat16),
                Is.EqualTo(new FormatFit(NumberFormat.BFloat16, 0, 1, 1, 0, 2, null))
            );
        });
    }

    // A uniform density within each power of two: 6 dB per bit, as in every textbook of quantization.
    [Test]
    public void A_bit_more_of_fraction_is_six_decibels_more()
    {
        ValueStatistics statistics = Of([.. Enumerable.Range(0, 1 << 14).Select(i => 1 + (i + 0.37) / (1 << 14))]);

        double fp16 = FormatFit.Of(statistics, NumberFormat.Float16).SignalToNoise!.Value;
        double bf16 = FormatFit.Of(statistics, NumberFormat.BFloat16).SignalToNoise!.Value;

        Assert.That((fp16 - bf16) / 3, Is.EqualTo(20 * Math.Log10(2)).Within(0.05));
    }

    private static ValueStatistics Of(ReadOnlySpan<double> numbers)
    {
        var statistics = new ValueStatistics();
        statistics.Add(numbers);
        return statistics;
    }

    private static bool Near(double a, double b) => a == b || Math.Abs(a - b) < 1e-6;

    private static FormatFit Oracle(double[] numbers, NumberFormat format, int scale)
    {
        (long overflow, long underflow, long subnormal) = (0, 0, 0);
        (double signal, double noise) = (0, 0);
        foreach (double number in numbers)
        {
            double scaled = Math.ScaleB(number, scale);
            RoundedNumber rounded = format.Round(ExactNumber.From(format.IsInteger ? Math.Abs(scaled) : scaled));
            double value = rounded.Value.ToDouble();
            overflow += rounded.Outcome == RoundingOutcome.Overflow ? 1 : 0;
            underflow += rounded.Outcome == RoundingOutcome.Underflow ? 1 : 0;
            subnormal +=
                !format.IsInteger && value != 0 && Math.Abs(value) < Math.ScaleB(1, format.MinExponent) ? 1 : 0;
            signal += scaled * scaled;
            noise += Math.Pow(Math.Abs(scaled) - Math.Abs(value), 2);
        }

        return new FormatFit(
            format,
            scale,
            overflow,
            underflow,
            subnormal,
            numbers.Length,
            overflow > 0 ? null
                : noise == 0 ? double.PositiveInfinity
                : 10 * Math.Log10(signal / noise)
        );
    }
}
