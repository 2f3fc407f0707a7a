namespace NativeAmp.Training.Tests.RandomNumbers;

/// <summary>The share of dropped elements, and a mask that can be drawn again.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class DropoutTests(DeviceKind kind)
{
    [Test]
    public void Dropout_keeps_its_share_scales_it_and_masks_the_gradient_alike()
    {
        using Device device = kind.Open();
        var random = new RandomGenerator(8);
        RandomState before = random.State;
        const int count = 10_000;
        using Tensor x = Tensor.From(device, Enumerable.Repeat(3f, count).ToArray(), [count]);
        x.RequiresGrad = true;
        Tensor y = Ops.Dropout(x, 0.25f, random);
        float[] dropped = y.ToFloats();
        Ops.Sum(y).Backward();
        float[] gradient = x.Gradient!.ToFloats();
        Assert.That(dropped, Is.All.EqualTo(0f).Or.EqualTo(4f));
        Assert.That(dropped.Count(value => value == 0), Is.EqualTo(2500).Within(5 * 43));
        Assert.That(gradient, Is.EqualTo(Array.ConvertAll(dropped, value => value / 3)).Within(1e-6f));

        Assert.That(random.State.Offset, Is.EqualTo(before.Offset + count));
        random.State = before;
        using (NoGrad.Enter())
            Assert.That(Ops.Dropout(x, 0.25f, random).ToFloats(), Is.EqualTo(dropped));
    }

    [Test]
    public void Dropout_does_nothing_in_use_and_refuses_what_is_no_probability()
    {
        using Device device = kind.Open();
        using Tensor x = Tensor.From(device, [1f, 2], [2]);
        using var dropout = new Dropout(0.5f);
        dropout.Eval();
        Assert.That(dropout.Forward(x), Is.SameAs(x));
        Assert.That(() => new Dropout(1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new Dropout(float.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
    }
}
