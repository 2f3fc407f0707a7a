using System.Globalization;
using CsCheck;

namespace NativeAmp.Tests;

/// <summary>
/// Formats against independent sources: .NET's own types, the bits of a float, and the tables of the specifications.
/// </summary>
public sealed class NumberFormatTests
{
    // OCP 8-bit Floating Point Specification 1.0, table 1, and Microscaling Formats 1.0, table 5; IEEE 754 and NVIDIA's
    // A100 paper for the others.
    [TestCase("fp32", "3.40282347e+38", "1.17549435e-38", "1.40129846e-45", "1.1920929e-7", "16777216")]
    [TestCase("tf32", "3.40116213e+38", "1.17549435e-38", "1.1479437e-41", "0.0009765625", "2048")]
    [TestCase("fp16", "65504", "0.00006103515625", "5.960464477539063e-8", "0.0009765625", "2048")]
    [TestCase("bf16", "3.38953139e+38", "1.17549435e-38", "9.18354962e-41", "0.0078125", "256")]
    [TestCase("fp8-e4m3", "448", "0.015625", "0.001953125", "0.125", "16")]
    [TestCase("fp8-e5m2", "57344", "0.00006103515625", "0.0000152587890625", "0.25", "8")]
    [TestCase("fp4-e2m1", "6", "1", "0.5", "0.5", "4")]
    [TestCase("int8", "127", "1", "1", "1", "127")]
    [TestCase("int4", "7", "1", "1", "1", "7")]
    public void A_format_has_the_range_that_is_published(
        string name,
        string largest,
        string normal,
        string smallest,
        string step,
        string integers
    )
    {
        NumberFormat format = NumberFormat.Find(name)!;
        Assert.Multiple(() =>
        {
            Assert.That(Value(format.Largest), Is.EqualTo(Value(largest)).Within(1e-6).Percent);
            Assert.That(Value(format.SmallestNormal), Is.EqualTo(Value(normal)).Within(1e-6).Percent);
            Assert.That(Value(format.Smallest), Is.EqualTo(Value(smallest)).Within(1e-6).Percent);
            Assert.That(Value(format.StepAtOne), Is.EqualTo(Value(step)).Within(1e-6).Percent);
            Assert.That(format.IntegersExactUpTo.ToString(), Is.EqualTo(integers));
        });
    }

    [Test]
    public void Every_half_is_System_Halfs()
    {
        for (uint code = 0; code <= ushort.MaxValue; code++)
        {
            Half half = BitConverter.UInt16BitsToHalf((ushort)code);
            ExactNumber value = NumberFormat.Float16.Decode(code);
            Assert.That(value, Is.EqualTo(ExactNumber.From((double)half)), $"0x{code:x4}");
            if (!Half.IsNaN(half))
                Assert.That(
                    NumberFormat.Float16.Round(value),
                    Is.EqualTo(new RoundedNumber(code, value, RoundingOutcome.Exact))
                );
        }
    }

    [Test]
    public void Every_E5M2_is_the_upper_half_of_a_Half_and_every_E4M3_a_float_with_less_of_an_exponent()
    {
        for (uint code = 0; code < 256; code++)
        {
            double e5m2 = (double)BitConverter.UInt16BitsToHalf((ushort)(code << 8));
            Assert.That(NumberFormat.Float8E5M2.Decode(code), Is.EqualTo(ExactNumber.From(e5m2)), $"0x{code:x2}");
            // Exponent and fraction as those of a float, whose bias is 120 larger; only all ones is no number.
            double e4m3 =
                (code & 0x7F) == 0x7F
                    ? double.NaN
                    : BitConverter.UInt32BitsToSingle((code & 0x7F) << 20)
                        * Math.ScaleB(1, 120)
                        * (code >= 128 ? -1 : 1);
            Assert.That(NumberFormat.Float8E4M3.Decode(code), Is.EqualTo(ExactNumber.From(e4m3)), $"0x{code:x2}");
        }
    }

    // Microscaling Formats 1.0, table 5.
    [Test]
    public void E2M1_has_its_sixteen_values()
    {
        double[] positive = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
        for (uint code = 0; code < 16; code++)
            Assert.That(
                NumberFormat.Float4E2M1.Decode(code),
                Is.EqualTo(ExactNumber.From(code < 8 ? positive[code] : -positive[code - 8]))
            );
    }

    [Test]
    public void Text_rounds_to_the_float_that_NET_reads() =>
        Gen.UInt.Sample(
            bits =>
            {
                float value = BitConverter.UInt32BitsToSingle(bits);
                if (!float.IsFinite(value))
                    return true;
                // Between this float and the next, where rounding is decided: the exact middle has no more digits than
                // a double shows exactly.
                double middle = value + (MathF.BitIncrement(value) - (double)value) / 2;
                string text = ExactNumber.From(middle).ToString();
                return Agrees(text)
                    && Agrees(
                        text
                            + (
                                text.Contains('e', StringComparison.Ordinal)
                                || !text.Contains('.', StringComparison.Ordinal)
                                    ? ""
                                    : "0001"
                            )
                    );
            },
            iter: 1000,
            seed: "0000KDGOoLD5"
        );

    [Test]
    public void Doubles_round_to_the_Half_and_the_BFloat16_that_NET_gives() =>
        Gen.ULong.Sample(
            bits =>
            {
                // Every exponent of float16, and some more.
                double value = BitConverter.UInt64BitsToDouble(
                    (bits & 0x800F_FFFF_FFFF_FFFF) | ((1023 - 30 + (bits >> 52) % 50) << 52)
                );
                return NumberFormat.Float16.Round(ExactNumber.From(value)).Code
                        == BitConverter.HalfToUInt16Bits((Half)value)
                    && NumberFormat.BFloat16.Round(ExactNumber.From((float)value)).Code
                        == RoundingOracle.BFloat16Bits((float)value);
            },
            iter: 5000,
            seed: "0000KDGOoLD5"
        );

    [TestCase("fp8-e4m3")]
    [TestCase("fp8-e5m2")]
    [TestCase("fp4-e2m1")]
    [TestCase("int8")]
    [TestCase("int4")]
    public void A_number_goes_to_the_nearest_of_all_values_and_a_tie_to_the_even_one(string name)
    {
        NumberFormat format = NumberFormat.Find(name)!;
        (double Value, uint Code)[] values =
        [
            .. Enumerable
                .Range(0, 1 << (format.Bits - 1))
                .Select(code => (Value(format.Decode((uint)code)), (uint)code))
                .Where(v => double.IsFinite(v.Item1)),
        ];
        Gen.Double[-4, 12]
            .Sample(
                power =>
                {
                    // Sixteenths, so that there are many ties.
                    double number = Math.Round(Math.Pow(2, power) * 16) / 16;
                    if (number >= values[^1].Value)
                        return true;
                    double nearest = values.Min(v => Math.Abs(v.Value - number));
                    (double, uint Code)[] best = [.. values.Where(v => Math.Abs(v.Value - number) == nearest)];
                    return format.Round(ExactNumber.From(number)).Code == best.MinBy(v => v.Code & 1).Code;
                },
                iter: 1000,
                seed: "0000KDGOoLD5"
            );
    }

    [TestCase("1.00048828125", 0x3C00u)] // the middle of 1 and the next float16: the even one
    [TestCase("1.000488281250000000000000000000001", 0x3C01u)] // through a double it would be the middle
    [TestCase("65519.99999999999999999999", 0x7BFFu)]
    [TestCase("65520", 0x7C00u)]
    [TestCase("0x1p-25", 0u)]
    [TestCase("0x1.000000000000000000000001p-25", 1u)]
    [TestCase("-0", 0x8000u)]
    public void Text_is_rounded_once(string text, uint code) =>
        Assert.That(NumberFormat.Float16.Round(ExactNumber.Parse(text)).Code, Is.EqualTo(code));

    [TestCase("fp16", "65520", RoundingOutcome.Overflow, "inf")]
    [TestCase("fp8-e4m3", "464", RoundingOutcome.Rounded, "448")]
    [TestCase("fp8-e4m3", "464.0001", RoundingOutcome.Overflow, "nan")]
    [TestCase("fp8-e4m3", "-inf", RoundingOutcome.Missing, "nan")]
    [TestCase("fp4-e2m1", "-1e30", RoundingOutcome.Overflow, "-6")]
    [TestCase("fp4-e2m1", "nan", RoundingOutcome.Missing, "0")]
    [TestCase("int8", "-128.5", RoundingOutcome.Rounded, "-128")]
    [TestCase("int8", "-128.6", RoundingOutcome.Overflow, "-128")]
    [TestCase("fp16", "1e-8", RoundingOutcome.Underflow, "0")]
    [TestCase("fp16", "1e-5", RoundingOutcome.Subnormal, "0.00001001358032226562")]
    [TestCase("fp32", "0.1", RoundingOutcome.Rounded, "0.100000001490116119384765625")]
    [TestCase("fp16", "0.5", RoundingOutcome.Exact, "0.5")]
    public void An_outcome_is_named(string format, string text, RoundingOutcome outcome, string stored)
    {
        RoundedNumber rounded = NumberFormat.Find(format)!.Round(ExactNumber.Parse(text));

        Assert.Multiple(() =>
        {
            Assert.That(rounded.Outcome, Is.EqualTo(outcome));
            Assert.That(
                rounded.Value.ToString(20).StartsWith(stored[..Math.Min(stored.Length, 20)], StringComparison.Ordinal),
                rounded.Value.ToString()
            );
        });
    }

    [TestCase("")]
    [TestCase("1e")]
    [TestCase("1,5")]
    [TestCase("0x3c00")]
    [TestCase("1e5001")]
    [TestCase("--1")]
    [TestCase(".")]
    [TestCase("0x.p1")]
    [TestCase("٣")]
    public void What_is_no_number_is_refused(string text) =>
        Assert.That(() => ExactNumber.Parse(text), Throws.TypeOf<FormatException>());

    [TestCase("0.1", "0.1")]
    [TestCase("-0", "-0")]
    [TestCase("1e21", "1e21")]
    [TestCase("123000", "123000")]
    [TestCase("0x1p-24", "5.9604644775390625e-8")]
    [TestCase("1.5e-3", "0.0015")]
    public void A_number_is_written_with_all_its_digits(string text, string written) =>
        Assert.That(ExactNumber.Parse(text).ToString(), Is.EqualTo(written));

    private static double Value(ExactNumber number) => Value(number.ToString());

    private static double Value(string text) =>
        double.Parse(text.Replace("inf", "Infinity", StringComparison.Ordinal), CultureInfo.InvariantCulture);

    private static bool Agrees(string text) =>
        NumberFormat.Float32.Round(ExactNumber.Parse(text)).Code
        == BitConverter.SingleToUInt32Bits(float.Parse(text, CultureInfo.InvariantCulture));
}
