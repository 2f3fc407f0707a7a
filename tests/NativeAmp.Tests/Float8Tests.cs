using System.Runtime.InteropServices;

namespace NativeAmp.Tests;

/// <summary>The 8-bit formats as storage, against <see cref="NumberFormat"/>'s exact arithmetic.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class Float8Tests(DeviceKind kind)
{
    [TestCase(DType.Float8E4M3)]
    [TestCase(DType.Float8E5M2)]
    public void Every_code_has_the_value_of_the_specification(DType dtype)
    {
        using var device = kind.Open(2);
        using var codes = device.Allocate(dtype, 256);
        using var values = device.Allocate(DType.Float32, 256);
        codes.CopyFrom<byte>([.. Enumerable.Range(0, 256).Select(i => (byte)i)]);

        AmpKernels.Cast(device, values.ToCell(), codes.ToCell(), 256);

        var floats = new float[256];
        values.CopyTo<float>(floats);
        NumberFormat format = FormatOf(dtype);
        Assert.That(floats, Is.EqualTo(Enumerable.Range(0, 256).Select(i => (float)format.Decode((uint)i).ToDouble())));
    }

    [TestCase(DType.Float8E4M3)]
    [TestCase(DType.Float8E5M2)]
    public void Every_half_is_rounded_to_the_nearest_code(DType dtype)
    {
        const int Count = 1 << 16;
        using var device = kind.Open(2);
        using var halves = device.Allocate(DType.Float16, Count);
        using var codes = device.Allocate(dtype, Count);
        ushort[] bits = [.. Enumerable.Range(0, Count).Select(i => (ushort)i)];
        halves.CopyFrom<Half>(MemoryMarshal.Cast<ushort, Half>(bits.AsSpan()));

        AmpKernels.Cast(device, codes.ToCell(), halves.ToCell(), Count);

        var found = new byte[Count];
        codes.CopyTo<byte>(found);
        NumberFormat format = FormatOf(dtype);
        for (int i = 0; i < Count; i++)
        {
            var half = BitConverter.UInt16BitsToHalf(bits[i]);
            if (Half.IsNaN(half))
                Assert.That(format.Decode(found[i]).IsNaN, $"{i:X4}");
            else
                Assert.That(found[i], Is.EqualTo(format.Round(ExactNumber.From((double)half)).Code), $"{i:X4}");
        }
    }

    [Test]
    public void A_cells_scale_divides_what_is_stored_and_multiplies_what_is_read()
    {
        using var device = kind.Open(2);
        using var scale = device.Allocate<float>([0.25f]);
        using var wide = device.Allocate<float>([1, -2, 100, 200]);
        using var codes = device.Allocate(DType.Float8E4M3, 4);
        var cell = new TensorCell(codes.Pointer, DType.Float8E4M3, scale.Pointer);

        AmpKernels.Cast(device, cell, wide.ToCell(), 4, new CastOptions { Saturate = true });
        AmpKernels.Cast(device, wide.ToCell(), cell, 4);

        var back = new float[4];
        wide.CopyTo<float>(back);
        // 400 is midway to 416: 384, the even code; 800 is beyond 448
        Assert.That(back, Is.EqualTo(new float[] { 1, -2, 96, 112 }));
    }

    [Test]
    public void A_scale_of_what_has_none_is_refused()
    {
        using var device = kind.Open(2);
        using var values = device.Allocate<float>([1]);

        Assert.That(
            () =>
                AmpKernels.Cast(
                    device,
                    new TensorCell(values.Pointer, DType.Float32, values.Pointer),
                    values.ToCell(),
                    1
                ),
            Throws.InstanceOf<NativeAmpException>().With.Message.Contains("a tensor of NAMP_FLOAT32 has none")
        );
    }

    [Test]
    public void They_are_gradients_and_no_parameters()
    {
        using var device = kind.Open(2);
        using var codes = device.Allocate(DType.Float8E5M2, 4);
        using var floats = device.Allocate<float>([1, 2, 3, 4]);
        using var state = new OptimizerState(device);
        using var table = TensorTable.Create(device, [4], [codes.ToCell()], [floats.ToCell()]);

        Assert.That(
            () => new MemoryParameter("w", device, codes.ToCell(), 4),
            Throws.ArgumentException.With.Message.Contains("The values of 'w' are float8_e5m2")
        );
        AmpKernels.UnscaleAndCheck(table, 1, null, state, writeColumn: 0);
        Assert.That(codes.ToArray<byte>(), Is.EqualTo(new byte[] { 0x3c, 0x40, 0x42, 0x44 }));
    }

    [Test]
    public void A_step_of_such_gradients_is_that_of_the_same_ones_in_float32(
        [Values(DType.Float8E4M3, DType.Float8E5M2)] DType dtype,
        [Values(1f, 0.37f)] float factor
    )
    {
        const int Count = 1000;
        using var device = kind.Open(2);
        NumberFormat format = FormatOf(dtype);
        float[] start = [.. Enumerable.Range(0, Count).Select(i => MathF.Sin(i))];
        using var scale = device.Allocate<float>([factor]);
        using var codes = device.Allocate(dtype, Count);
        using var wide = device.Allocate(DType.Float32, Count);
        using var ofCodes = device.Allocate<float>(start);
        using var ofFloats = device.Allocate<float>(start);
        var narrow = new MemoryParameter("w", device, ofCodes.ToCell(), Count)
        {
            Gradient = new TensorCell(codes.Pointer, dtype, scale.Pointer),
        };
        var exact = new MemoryParameter("w", device, ofFloats.ToCell(), Count) { Gradient = wide.ToCell() };
        using var optimizer = new FusedAdam([narrow]);
        using var expected = new FusedAdam([exact]);
        using var scaler = new GradScaler(device, GradScalerOptions.Static(1024));
        using var expectedScaler = new GradScaler(device, GradScalerOptions.Static(1024));
        for (int step = 0; step < 4; step++)
        {
            byte[] bytes = [.. Enumerable.Range(0, Count).Select(i => Finite(i * 37 + step))];
            if (step == 1)
                bytes[Count / 2] = 0xff;
            codes.CopyFrom<byte>(bytes);
            wide.CopyFrom<float>([.. bytes.Select(b => (float)format.Decode(b).ToDouble() * factor)]);
            if (step == 2)
            {
                // Gradients that are not float32 stay as they are; the step unscales them.
                scaler.Unscale(optimizer);
                Assert.That(codes.ToArray<byte>(), Is.EqualTo(bytes));
                expectedScaler.Unscale(expected, inPlace: false);
            }
            optimizer.ClipGradNorm(0.5f);
            expected.ClipGradNorm(0.5f);

            StepOutcome outcome = scaler.Step(optimizer).Read();
            StepOutcome exactOutcome = expectedScaler.Step(expected).Read();
            scaler.Update();
            expectedScaler.Update();

            Assert.That(outcome.Skipped, Is.EqualTo(step == 1), $"step {step}");
            Assert.That(outcome.FirstBadParameter, Is.EqualTo(step == 1 ? "w" : null));
            Assert.That(outcome.GradientNorm, Is.EqualTo(exactOutcome.GradientNorm).Or.NaN);
            Assert.That(outcome.ClipCoefficient, Is.EqualTo(exactOutcome.ClipCoefficient));
            Assert.That(ofCodes.ToArray<float>(), Is.EqualTo(ofFloats.ToArray<float>()), $"step {step}");
        }
        Assert.That(ofCodes.ToArray<float>(), Is.Not.EqualTo(start));

        // Another code for those that are infinite or NaN.
        byte Finite(int i) => double.IsFinite(format.Decode((byte)i).ToDouble()) ? (byte)i : (byte)0x31;
    }

    private static NumberFormat FormatOf(DType dtype) =>
        dtype == DType.Float8E4M3 ? NumberFormat.Float8E4M3 : NumberFormat.Float8E5M2;
}
