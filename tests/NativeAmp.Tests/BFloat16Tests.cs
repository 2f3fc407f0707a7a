using System.Globalization;
using System.Runtime.CompilerServices;
using CsCheck;

namespace NativeAmp.Tests;

public sealed class BFloat16Tests
{
    [Test]
    public void Rounding_is_to_the_nearest_ties_to_even() =>
        Gen.UInt.Sample(
            bits =>
            {
                float value = BitConverter.UInt32BitsToSingle(bits);
                return ((BFloat16)value).ToBits() == RoundingOracle.BFloat16Bits(value);
            },
            iter: 200_000,
            seed: "0000KDGOoLD5"
        );

    [Test]
    public void Every_value_widens_exactly_and_comes_back()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            var value = BFloat16.FromBits((ushort)bits);
            Assert.That(BitConverter.SingleToUInt32Bits(value), Is.EqualTo((uint)bits << 16));
            Assert.That(((BFloat16)(float)value).ToBits(), Is.EqualTo(BFloat16.IsNaN(value) ? bits | 0x40 : bits));
        }
    }

    [Test]
    public void It_takes_two_bytes() => Assert.That(Unsafe.SizeOf<BFloat16>(), Is.EqualTo(2));

    [Test]
    public void Comparisons_are_those_of_the_floats() =>
        Gen.Select(Gen.UShort, Gen.UShort)
            .Sample(
                (a, b) =>
                {
                    BFloat16 x = BFloat16.FromBits(a),
                        y = BFloat16.FromBits(b);
                    float fx = x,
                        fy = y;
                    return (x < y) == (fx < fy)
                        && (x > y) == (fx > fy)
                        && (x <= y) == (fx <= fy)
                        && (x >= y) == (fx >= fy)
                        && (x == y) == (fx == fy)
                        && (x != y) == (fx != fy)
                        && x.Equals(y) == fx.Equals(fy)
                        && x.CompareTo(y) == fx.CompareTo(fy)
                        && BFloat16.IsNaN(x) == float.IsNaN(fx)
                        && BFloat16.IsInfinity(x) == float.IsInfinity(fx)
                        && BFloat16.IsFinite(x) == float.IsFinite(fx);
                },
                iter: 100_000,
                seed: "0000KDGOoLD5"
            );

    [Test]
    public void Text_comes_back_as_the_same_value() =>
        Gen.UShort.Sample(
            bits =>
            {
                var value = BFloat16.FromBits(bits);
                return BFloat16
                    .Parse(value.ToString(null, CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)
                    .Equals(value);
            },
            iter: 20_000,
            seed: "0000KDGOoLD5"
        );

    [Test]
    public void The_constants_are_what_they_are_called()
    {
        Assert.That((float)BFloat16.One, Is.EqualTo(1));
        Assert.That((float)BFloat16.Zero, Is.Zero);
        Assert.That((float)BFloat16.Epsilon, Is.EqualTo((float)Math.ScaleB(1, -133)));
        Assert.That((float)BFloat16.MaxValue, Is.EqualTo((float)((2 - Math.ScaleB(1, -7)) * Math.ScaleB(1, 127))));
        Assert.That((float)BFloat16.MinValue, Is.EqualTo(-(float)BFloat16.MaxValue));
        Assert.That((float)BFloat16.NaN, Is.NaN);
        Assert.That(
            ((float)BFloat16.PositiveInfinity, (float)BFloat16.NegativeInfinity),
            Is.EqualTo((float.PositiveInfinity, float.NegativeInfinity))
        );
        Assert.That((float)-BFloat16.One, Is.EqualTo(-1));
    }
}
