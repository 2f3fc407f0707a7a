namespace NativeAmp.Training.Tests.RandomNumbers;

/// <summary>Random numbers that are the same on every machine and in every run.</summary>
internal sealed class RandomGeneratorTests
{
    [Test]
    public void The_words_are_Philox4x32_10_s()
    {
        // Random123's known answers (kat_vectors) for a counter and a key of zeros.
        var random = new RandomGenerator(0);
        uint[] words = [random.NextUInt32(), random.NextUInt32(), random.NextUInt32(), random.NextUInt32()];
        Assert.That(words, Is.EqualTo(new uint[] { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 }));
    }

    [Test]
    public void A_saved_state_continues_with_the_same_numbers()
    {
        var random = new RandomGenerator(42);
        for (int i = 0; i < 7; i++)
            random.NextUInt32();
        RandomState state = random.State;
        uint[] expected = [.. Enumerable.Range(0, 9).Select(_ => random.NextUInt32())];
        var other = new RandomGenerator(1) { State = state };
        Assert.That(Enumerable.Range(0, 9).Select(_ => other.NextUInt32()), Is.EqualTo(expected));
        random.Reseed(42);
        Assert.That(random.State, Is.EqualTo(new RandomState(42, 0)));
    }

    [Test]
    public void Uniform_and_normal_numbers_have_their_moments()
    {
        var random = new RandomGenerator(3);
        const int count = 40_000;
        float[] uniform = Initializers.Uniform(-1, 3)([count], random);
        float[] normal = Initializers.Normal(0.02f)([count], random);
        Assert.That(uniform, Is.All.InRange(-1f, 3f));
        // Five standard errors: the seed is fixed, so this either always holds or never.
        Assert.That(uniform.Average(), Is.EqualTo(1).Within(5 * 1.155 / Math.Sqrt(count)));
        Assert.That(normal.Average(), Is.EqualTo(0).Within(5 * 0.02 / Math.Sqrt(count)));
        Assert.That(
            normal.Select(x => (double)x * x).Average(),
            Is.EqualTo(0.0004).Within(0.0004 * 5 * Math.Sqrt(2.0 / count))
        );
    }

    [Test]
    public void Initializers_have_the_variances_of_their_papers()
    {
        Shape shape = [64, 8, 3, 3];
        const double fanIn = 72,
            fanOut = 576;
        foreach (
            (string name, Initializer initializer, double variance) in new (string, Initializer, double)[]
            {
                ("Kaiming uniform", Initializers.KaimingUniform(Initializers.ReluGain), 2 / fanIn),
                ("Kaiming normal", Initializers.KaimingNormal(Initializers.ReluGain), 2 / fanIn),
                ("Xavier uniform", Initializers.XavierUniform(), 2 / (fanIn + fanOut)),
                ("Xavier normal", Initializers.XavierNormal(), 2 / (fanIn + fanOut)),
                ("PyTorch's default", Initializers.PyTorchDefault((long)fanIn), 1 / (3 * fanIn)),
            }
        )
        {
            float[] values = initializer(shape, new RandomGenerator(11));
            Assert.That(values.Select(x => (double)x * x).Average(), Is.EqualTo(variance).Within(8).Percent, name);
        }

        Assert.That(() => Initializers.KaimingNormal(1)([4], new RandomGenerator(0)), Throws.ArgumentException);
    }
}
