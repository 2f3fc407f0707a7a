namespace NativeAmp.Training.Tests.Generation;

internal sealed class TokenSamplerTests
{
    // Of the weights 1 : 2 : 5; a NaN is never drawn.
    private static readonly float[] Logits = [0, MathF.Log(2), MathF.Log(5), float.NaN];

    private static int[] Draw(GenerationOptions options)
    {
        int[] drawn = new int[4];
        var sampler = new TokenSampler(options with { Random = new RandomGenerator(3) }, 4);
        for (int i = 0; i < 8000; i++)
            drawn[sampler.Draw(Logits)]++;
        return drawn;
    }

    [Test]
    public void Drawing_follows_softmax()
    {
        int[] drawn = Draw(new GenerationOptions());
        // Of 8,000, deviations below 45: six of them.
        Assert.Multiple(() =>
        {
            Assert.That(drawn[0], Is.InRange(820, 1180));
            Assert.That(drawn[1], Is.InRange(1765, 2235));
            Assert.That(drawn[2], Is.InRange(4740, 5260));
            Assert.That(drawn[3], Is.Zero);
        });
    }

    [Test]
    public void A_temperature_is_an_exponent()
    {
        // 1 : 4 : 25 at a half: 267, 1,067 and 6,667 of 8,000.
        int[] drawn = Draw(new GenerationOptions { Temperature = 0.5 });
        Assert.That(drawn[0], Is.InRange(167, 367));
        Assert.That(drawn[1], Is.InRange(887, 1247));
    }

    [TestCase(0.0, 0, 1.0)]
    [TestCase(1.0, 1, 1.0)]
    [TestCase(1.0, 0, 0.6)]
    public void Only_the_likeliest_is_left(double temperature, int topK, double topP) =>
        Assert.That(
            Draw(
                new GenerationOptions
                {
                    Temperature = temperature,
                    TopK = topK,
                    TopP = topP,
                }
            ),
            Is.EqualTo(new[] { 0, 0, 8000, 0 })
        );

    [TestCase(2, 1.0)]
    [TestCase(0, 0.63)]
    [TestCase(0, 0.87)]
    [TestCase(3, 0.8)]
    public void Two_of_three_are_left_with_their_proportion(int topK, double topP)
    {
        // 2 : 5 of 8,000: 2,286 and deviations of 40.
        int[] drawn = Draw(new GenerationOptions { TopK = topK, TopP = topP });
        Assert.That(drawn[0], Is.Zero);
        Assert.That(drawn[1], Is.InRange(2046, 2526));
        Assert.That(drawn[3], Is.Zero);
    }

    [Test]
    public void The_first_of_equals_is_the_likelier()
    {
        var sampler = new TokenSampler(new GenerationOptions { TopK = 2, Random = new RandomGenerator(1) }, 5);
        var drawn = Enumerable.Range(0, 200).Select(_ => sampler.Draw([0, 1, 1, 1, 0])).ToHashSet();
        Assert.That(drawn, Is.EquivalentTo(new[] { 1, 2 }));
        var greedy = new TokenSampler(new GenerationOptions { Temperature = 0 }, 5);
        Assert.That(greedy.Draw([0, 1, 1, 1, 0]), Is.EqualTo(1));
        Assert.That(greedy.Draw([float.NaN, -1, 2, float.NaN, 0]), Is.EqualTo(2));
        Assert.That(greedy.Draw([float.NaN, float.NaN]), Is.Zero);
    }
}
