using System.Runtime.InteropServices;

namespace NativeAmp.Tests;

/// <summary>Family 1: casts round as in IEEE 754, on every instruction set, for every length and alignment.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class CastTests(DeviceKind kind)
{
    // A prime, so that over the sample all bits of sign, exponent and fraction vary.
    private const uint SampleStride = 8191;
    private const int Batch = 1 << 20;

    [TestCase(DType.Float16)]
    [TestCase(DType.BFloat16)]
    public void Narrowing_every_float_rounds_to_the_nearest(DType half)
    {
        uint stride = TestDevices.Exhaustive && !kind.IsEmulated() ? 1 : SampleStride;
        long count = ((1L << 32) + stride - 1) / stride;
        Parallel.For(
            0,
            (count + Batch - 1) / Batch,
            new ParallelOptions { MaxDegreeOfParallelism = kind == DeviceKind.Cpu ? Environment.ProcessorCount : 1 },
            batch =>
            {
                using var device = kind.Open(1);
                var floats = new float[Math.Min(Batch, count - batch * Batch)];
                for (int i = 0; i < floats.Length; i++)
                    floats[i] = BitConverter.UInt32BitsToSingle((uint)((batch * Batch + i) * stride));
                ushort[] expected = Array.ConvertAll(
                    floats,
                    f => half == DType.Float16 ? RoundingOracle.Float16Bits(f) : RoundingOracle.BFloat16Bits(f)
                );
                foreach (string simd in Machine.EachSimd(device))
                {
                    int difference = Narrow(device, floats, half).AsSpan().CommonPrefixLength(expected);
                    if (difference < floats.Length)
                        Assert.Fail($"{simd} narrows {BitConverter.SingleToUInt32Bits(floats[difference]):X8} wrongly");
                }
            }
        );
    }

    [Test]
    public void Narrowing_to_float16_agrees_with_System_Half()
    {
        const uint Stride = 65521; // a prime, so that the sample covers all floats
        using var device = kind.Open(2);
        float[] floats =
        [
            .. Enumerable
                .Range(0, kind.IsEmulated() ? Batch / 16 : Batch)
                .Select(i => BitConverter.UInt32BitsToSingle((uint)i * Stride))
                .Where(f => !float.IsNaN(f)),
        ];

        ushort[] halves = Narrow(device, floats, DType.Float16);

        Assert.That(halves, Is.EqualTo(Array.ConvertAll(floats, f => BitConverter.HalfToUInt16Bits((Half)f))));
    }

    [TestCase(DType.Float16)]
    [TestCase(DType.BFloat16)]
    public void Widening_every_half_is_exact_and_comes_back(DType half)
    {
        using var device = kind.Open(2);
        ushort[] halves = [.. Enumerable.Range(0, 1 << 16).Select(i => (ushort)i)];
        foreach (string simd in Machine.EachSimd(device))
        {
            float[] floats = MemoryMarshal
                .Cast<byte, float>(Converted(device, MemoryMarshal.AsBytes(halves.AsSpan()), half, DType.Float32))
                .ToArray();
            for (int i = 0; i < halves.Length; i++)
            {
                float expected =
                    half == DType.Float16
                        ? (float)BitConverter.UInt16BitsToHalf(halves[i])
                        : BitConverter.UInt32BitsToSingle((uint)i << 16);
                if (float.IsNaN(expected))
                    Assert.That(floats[i], Is.NaN);
                else
                    Assert.That(
                        BitConverter.SingleToUInt32Bits(floats[i]),
                        Is.EqualTo(BitConverter.SingleToUInt32Bits(expected)),
                        $"{simd}, {i:X4}"
                    );
            }
            ushort[] back = Narrow(device, floats, half);
            for (int i = 0; i < halves.Length; i++)
            {
                // A signaling NaN becomes quiet: the top fraction bit is set.
                int quiet = half == DType.Float16 ? 0x200 : 0x40;
                Assert.That(back[i], Is.EqualTo(float.IsNaN(floats[i]) ? i | quiet : i), $"{simd}");
            }
        }
    }

    [Test]
    public void Any_length_and_start_converts_as_the_elements_one_by_one(
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType from,
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType to,
        [ValueSource(typeof(Sizes), nameof(Sizes.Misalignments))] int misalignment
    )
    {
        using var device = kind.Open(2);
        foreach (int length in Sizes.LengthsOn(kind))
        {
            using var source = new GuardedTensor(device, from, Sizes.Numbers(length, seed: length), misalignment);
            using var destination = new GuardedTensor(device, to, length, (misalignment + 1) % 5);
            using var expected = new GuardedTensor(null, to, source.ToArray());

            AmpKernels.Cast(device, destination.Cell, source.Cell, length);

            Assert.That(destination.Bytes.SequenceEqual(expected.Bytes), $"length {length}");
            destination.AssertCanariesAreAlive();
            source.AssertCanariesAreAlive();
        }
    }

    [Test]
    public void A_scale_is_applied_in_float32_before_narrowing()
    {
        using var device = kind.Open(1);
        using var source = new GuardedTensor(device, DType.Float32, Sizes.Numbers(1000, seed: 1));
        using var factor = new GuardedTensor(device, DType.Float32, [1f / 3]);
        using var destination = new GuardedTensor(device, DType.BFloat16, 1000);
        using var expected = new GuardedTensor(null, DType.BFloat16, [.. source.ToArray().Select(x => x * (1f / 3))]);

        AmpKernels.Cast(device, destination.Cell, source.Cell, 1000, new CastOptions { ScalePointer = factor.Pointer });

        Assert.That(destination.Bytes.SequenceEqual(expected.Bytes));
    }

    [TestCase(DType.Float16, 65504f)]
    [TestCase(DType.BFloat16, 3.38953139e38f)]
    public void Saturation_keeps_finite_values_finite_and_infinities_infinite(DType half, float largest)
    {
        using var device = kind.Open(1);
        using var source = new GuardedTensor(
            device,
            DType.Float32,
            [float.MaxValue, -float.MaxValue, float.PositiveInfinity, float.NegativeInfinity, float.NaN, 1]
        );
        using var destination = new GuardedTensor(device, half, source.Count);

        AmpKernels.Cast(device, destination.Cell, source.Cell, source.Count, new CastOptions { Saturate = true });

        Assert.That(
            destination.ToArray(),
            Is.EqualTo(new[] { largest, -largest, float.PositiveInfinity, float.NegativeInfinity, float.NaN, 1 })
        );
    }

    [TestCase(DType.Float16, 11)]
    [TestCase(DType.BFloat16, 8)]
    public void Stochastic_rounding_goes_to_a_neighbour_and_is_right_on_average(DType half, int significantBits)
    {
        int count = kind.IsEmulated() ? 1 << 15 : 1 << 18;
        using var device = kind.Open(2);
        double place = Math.ScaleB(1, 1 - significantBits);
        // A quarter of the way from 1 to the next value.
        using var source = new GuardedTensor(
            device,
            DType.Float32,
            [.. Enumerable.Repeat((float)(1 + place / 4), count)]
        );
        using var destination = new GuardedTensor(device, half, count);

        AmpKernels.Cast(
            device,
            destination.Cell,
            source.Cell,
            count,
            new CastOptions { Rounding = Rounding.Stochastic, Seed = 42 }
        );

        float[] values = destination.ToArray();
        Assert.That(values.Distinct().Order(), Is.EqualTo(new[] { 1f, (float)(1 + place) }));
        // Five standard deviations of the share.
        Assert.That(
            values.Count(v => v > 1) / (double)count,
            Is.EqualTo(0.25).Within(5 * Math.Sqrt(0.25 * 0.75 / count))
        );
    }

    [Test]
    public void Stochastic_rounding_is_counted_by_element_so_that_pieces_make_the_whole()
    {
        const int Count = 10007,
            Cut = 4999;
        using var device = kind.Open(2);
        using var source = new GuardedTensor(device, DType.Float32, Sizes.Numbers(Count, seed: 3));
        using var whole = new GuardedTensor(device, DType.BFloat16, Count);
        using var pieces = new GuardedTensor(device, DType.BFloat16, Count);
        var options = new CastOptions
        {
            Rounding = Rounding.Stochastic,
            Seed = 7,
            Offset = 1000,
        };

        AmpKernels.Cast(device, whole.Cell, source.Cell, Count, options);
        AmpKernels.Cast(device, pieces.Cell, source.Cell, Cut, options);
        AmpKernels.Cast(
            device,
            new(pieces.Pointer + Cut * 2, DType.BFloat16),
            new(source.Pointer + Cut * 4, DType.Float32),
            Count - Cut,
            options with
            {
                Offset = options.Offset + Cut,
            }
        );

        Assert.That(pieces.Bytes.SequenceEqual(whole.Bytes));
    }

    [Test]
    public void Threads_and_instruction_sets_do_not_change_a_bit([Values] Rounding rounding)
    {
        float[] numbers = Sizes.Numbers((kind.IsEmulated() ? 1 : 5) * Sizes.Chunk + 33, seed: 5);
        Everywhere.SameBits(
            kind,
            device =>
            {
                using var source = new GuardedTensor(device, DType.Float32, numbers, misalignment: 1);
                using var destination = new GuardedTensor(device, DType.BFloat16, numbers.Length, misalignment: 1);
                AmpKernels.Cast(
                    device,
                    destination.Cell,
                    source.Cell,
                    numbers.Length,
                    new CastOptions { Rounding = rounding, Seed = 9 }
                );
                return destination.Bytes.ToArray();
            }
        );
    }

    [Test]
    public void A_table_casts_every_tensor_that_has_a_destination()
    {
        using var device = kind.Open(2);
        int[] lengths = Sizes.LengthsOn(kind);
        GuardedTensor[] sources =
        [
            .. lengths.Select(n => new GuardedTensor(device, DType.Float32, Sizes.Numbers(n, seed: n), n % 3)),
        ];
        GuardedTensor[] destinations = [.. lengths.Select(n => new GuardedTensor(device, DType.Float16, n, n % 5))];
        TensorCell[] to = [.. destinations.Select((t, i) => i % 7 == 3 ? default : t.Cell)];
        using (
            var table = TensorTable.Create(
                device,
                [.. lengths.Select(n => (long)n)],
                [.. sources.Select(t => t.Cell)],
                to
            )
        )
            AmpKernels.CastTable(table, destinationColumn: 1, sourceColumn: 0);

        for (int i = 0; i < lengths.Length; i++)
        {
            using var expected = new GuardedTensor(null, DType.Float16, sources[i].ToArray());
            if (to[i].Pointer == 0)
                Assert.That(
                    destinations[i].Bytes.IndexOfAnyExcept((byte)0xA5),
                    Is.EqualTo(-1),
                    "a tensor that was left out was written"
                );
            else
                Assert.That(destinations[i].Bytes.SequenceEqual(expected.Bytes), $"length {lengths[i]}");
            destinations[i].AssertCanariesAreAlive();
            destinations[i].Dispose();
            sources[i].Dispose();
        }
    }

    private static ushort[] Narrow(Device device, float[] floats, DType half) =>
        MemoryMarshal
            .Cast<byte, ushort>(Converted(device, MemoryMarshal.AsBytes(floats.AsSpan()), DType.Float32, half))
            .ToArray();

    private static byte[] Converted(Device device, ReadOnlySpan<byte> elements, DType from, DType to)
    {
        int count = elements.Length / from.SizeInBytes();
        using var source = device.Allocate(from, count);
        using var destination = device.Allocate(to, count);
        device.CopyToDevice(source.Pointer, elements);
        AmpKernels.Cast(device, destination.ToCell(), source.ToCell(), count);
        var converted = new byte[destination.Bytes];
        device.CopyToHost(converted, destination.Pointer);
        return converted;
    }
}
