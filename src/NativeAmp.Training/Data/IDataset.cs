namespace NativeAmp.Training.Data;

/// <summary>Samples that can be had by index, from any thread.</summary>
public interface IDataset
{
    /// <summary>Number of samples in a pass.</summary>
    long Count { get; }

    /// <summary>
    /// What a sample consists of. A <see cref="Trainer"/> without a loss of its own takes the first for the model's
    /// input and the second, int32, for the classes to be predicted.
    /// </summary>
    IReadOnlyList<DataField> Fields { get; }

    /// <summary>Writes every field of one sample.</summary>
    /// <param name="index">Which, from 0 to <see cref="Count"/> - 1.</param>
    /// <param name="epoch">The pass it is for: a data set may cut its samples differently in each.</param>
    /// <param name="sample">Where.</param>
    void Fill(long index, long epoch, Sample sample);
}
