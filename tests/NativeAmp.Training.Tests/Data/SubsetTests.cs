using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Data;

/// <summary>Parts of data sets.</summary>
public class SubsetTests
{
    [Test]
    public void A_subset_has_the_samples_of_its_indices()
    {
        var subset = new Subset(Numbers(10), [7, 0, 7]);
        Assert.That(subset.Fields[0].Name, Is.EqualTo("x"));
        Assert.That(Values(subset), Is.EqualTo(new[] { 7, 0, 7 }));
        Assert.That(() => subset.Fill(3, 0, default), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => subset.Fill(-1, 0, default), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(
            () => new Subset(Numbers(10), [0, 10]),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("samples 0 to 9")
        );
    }

    [TestCase(10, 0.8, 8)]
    [TestCase(1000, 0.25, 250)]
    [TestCase(3, 0.5, 2)]
    public void A_split_has_every_sample_once(int count, double fraction, int first)
    {
        (Subset train, Subset test) = Numbers(count).RandomSplit(fraction, seed: 5);
        Assert.That(train.Count, Is.EqualTo(first));
        Assert.That(Values(train).Concat(Values(test)).Order(), Is.EqualTo(Enumerable.Range(0, count)));
    }

    [Test]
    public void A_split_is_random_and_the_same_for_the_same_seed()
    {
        int[] first = Values(Numbers(100).RandomSplit(0.5, seed: 1).First);
        Assert.That(Values(Numbers(100).RandomSplit(0.5, seed: 1).First), Is.EqualTo(first));
        Assert.That(Values(Numbers(100).RandomSplit(0.5, seed: 2).First), Is.Not.EqualTo(first));
        Assert.That(first.Count(value => value >= 50), Is.InRange(10, 40));
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(-0.5)]
    [TestCase(double.NaN)]
    public void A_fraction_is_between_0_and_1(double fraction) =>
        Assert.That(() => Numbers(10).RandomSplit(fraction), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(4)]
    public void A_split_that_leaves_a_part_empty_is_refused(int count) =>
        Assert.That(
            () => Numbers(count).RandomSplit(0.1),
            Throws.ArgumentException.With.Message.Contains("would be empty")
        );

    private static ArrayDataset Numbers(int count)
    {
        var data = new ArrayDataset(count);
        data.Add("x", [.. Enumerable.Range(0, count)], Shape.Scalar);
        return data;
    }

    private static int[] Values(Subset subset)
    {
        var batch = new Batch(subset, (int)subset.Count);
        batch.Fill([.. Enumerable.Range(0, (int)subset.Count).Select(i => (long)i)]);
        return batch.Integers(0).ToArray();
    }
}
