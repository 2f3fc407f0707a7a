namespace NativeAmp.Training.Data;

/// <summary>Samples that any thread can read by index.</summary>
public interface IDataset
{
    /// <summary>Number of samples in a pass.</summary>
    long Count { get; }

    /// <summary>
    /// The fields of a sample. A <see cref="Trainer"/> without <see cref="TrainerOptions.Loss"/> takes the first as the
    /// model's input, and the second, int32, as the class labels.
    /// </summary>
    IReadOnlyList<DataField> Fields { get; }

    /// <summary>Writes every field of one sample.</summary>
    /// <param name="index">Index of the sample, from 0 to <see cref="Count"/> - 1.</param>
    /// <param name="epoch">The pass over the data, from 0. A data set may cut its samples differently in each
    /// pass.</param>
    /// <param name="sample">The destination.</param>
    void Fill(long index, long epoch, Sample sample);
}
