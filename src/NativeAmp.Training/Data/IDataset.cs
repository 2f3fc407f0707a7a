namespace NativeAmp.Training.Data;

/// <summary>Samples that can be had by index, from any thread.</summary>
public interface IDataset
{
    /// <summary>Number of samples in a pass.</summary>
    long Count { get; }

    /// <summary>Number of classes, or size of the vocabulary: targets lie below it.</summary>
    int Classes { get; }

    /// <summary>Shape of one sample's float inputs, such as [1, 28, 28]; empty for text.</summary>
    ReadOnlySpan<int> FeatureShape { get; }

    /// <summary>Float inputs of one sample; 0 for text.</summary>
    int FeaturesPerSample { get; }

    /// <summary>Integer inputs of one sample; 0 for images.</summary>
    int TokensPerSample { get; }

    /// <summary>Targets of one sample.</summary>
    int TargetsPerSample { get; }

    /// <summary>Writes one sample. The spans have exactly the lengths above.</summary>
    /// <param name="index">Which, from 0 to <see cref="Count"/> - 1.</param>
    /// <param name="epoch">The pass it is for: a data set may cut its samples differently in each.</param>
    /// <param name="features">Receives float inputs.</param>
    /// <param name="tokens">Receives integer inputs.</param>
    /// <param name="targets">Receives what is to be predicted.</param>
    void Fill(long index, long epoch, Span<float> features, Span<int> tokens, Span<int> targets);
}
