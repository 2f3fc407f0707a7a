namespace NativeAmp.Training.Data;

/// <summary>Parts of data sets.</summary>
public static class DatasetExtensions
{
    /// <summary>
    /// Divides a data set into two parts at random, without a sample in both: one to train with, and one to test
    /// with.
    /// </summary>
    /// <param name="data">The samples.</param>
    /// <param name="fraction">Share of the first part, above 0 and below 1; its number of samples is rounded.</param>
    /// <param name="seed">The same seed gives the same parts.</param>
    /// <exception cref="ArgumentOutOfRangeException">The fraction is not above 0 and below 1.</exception>
    /// <exception cref="ArgumentException">One part would be empty.</exception>
    /// <example><code>var (train, test) = data.RandomSplit(0.8, seed: 1);</code></example>
    public static (Subset First, Subset Second) RandomSplit(this IDataset data, double fraction, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (!(fraction > 0 && fraction < 1))
            throw new ArgumentOutOfRangeException(nameof(fraction), fraction, "It must be above 0 and below 1.");
        long first = (long)Math.Round(data.Count * fraction);
        if (first == 0 || first == data.Count)
            throw new ArgumentException(
                $"{fraction} of {data.Count} samples are {first}: one of the two parts would be empty.",
                nameof(fraction)
            );
        var shuffle = new Shuffle(data.Count, seed, epoch: 0);
        return (Part(0, first), Part(first, data.Count));

        Subset Part(long from, long to)
        {
            long[] indices = new long[to - from];
            for (long i = from; i < to; i++)
                indices[i - from] = shuffle[i];
            return new Subset(data, indices);
        }
    }
}
