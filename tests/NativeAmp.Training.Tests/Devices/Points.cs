using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Devices;

/// <summary>A few points in a few clusters, drawn from a seed: the smallest data that can be learned.</summary>
internal sealed class Points(int count, int features, int classes) : IDataset
{
    private readonly int[] _shape = [features];

    public long Count => count;

    public int Classes => classes;

    public ReadOnlySpan<int> FeatureShape => _shape;

    public int FeaturesPerSample => features;

    public int TokensPerSample => 0;

    public int TargetsPerSample => 1;

    public void Fill(long index, long epoch, Span<float> featureValues, Span<int> tokens, Span<int> targets)
    {
        var random = new RandomGenerator((ulong)index);
        targets[0] = (int)(index % classes);
        Initializers.Normal(0.5f)([features], random).CopyTo(featureValues);
        featureValues[targets[0] % features] += 2;
    }
}
