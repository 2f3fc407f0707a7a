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
    public void Only_casts_take_them()
    {
        using var device = kind.Open(2);
        using var codes = device.Allocate(DType.Float8E5M2, 4);
        using var state = new OptimizerState(device);
        using var table = TensorTable.Create(device, [4], [codes.ToCell()]);

        Assert.That(
            () => AmpKernels.UnscaleAndCheck(table, 0, null, state),
            Throws
                .InstanceOf<NativeAmpException>()
                .With.Message.Contains("NAMP_FLOAT8_E5M2; it must be NAMP_FLOAT32, NAMP_FLOAT16 or NAMP_BFLOAT16")
        );
    }

    private static NumberFormat FormatOf(DType dtype) =>
        dtype == DType.Float8E4M3 ? NumberFormat.Float8E4M3 : NumberFormat.Float8E5M2;
}
