using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Devices;

/// <summary>A few points in a few clusters, drawn from a seed: the smallest data that can be learned.</summary>
internal sealed class Points(int count, int features, int classes) : IDataset
{
    public long Count => count;

    public IReadOnlyList<DataField> Fields { get; } =
    [
        new()
        {
            Name = "point",
            DType = DType.Float32,
            Shape = [features],
        },
        new() { Name = "cluster", DType = DType.Int32 },
    ];

    public void Fill(long index, long epoch, Sample sample)
    {
        Span<float> featureValues = sample.Floats(0);
        Span<int> targets = sample.Integers(1);
        var random = new RandomGenerator((ulong)index);
        targets[0] = (int)(index % classes);
        Initializers.Normal(0.5f)([features], random).CopyTo(featureValues);
        featureValues[targets[0] % features] += 2;
    }
}
