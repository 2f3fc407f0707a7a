namespace NativeAmp.Training.Data;

/// <summary>The place of one sample in a <see cref="Batch"/>, which a data set writes.</summary>
public readonly ref struct Sample
{
    private readonly Batch _batch;
    private readonly int _index;

    internal Sample(Batch batch, int index) => (_batch, _index) = (batch, index);

    /// <summary>The elements of a float32 field.</summary>
    /// <param name="field">Its index in <see cref="IDataset.Fields"/>.</param>
    /// <exception cref="ArgumentException">The field is int32.</exception>
    public Span<float> Floats(int field) => _batch.Of<float>(field, _index);

    /// <summary>The elements of an int32 field.</summary>
    /// <param name="field">Its index in <see cref="IDataset.Fields"/>.</param>
    /// <exception cref="ArgumentException">The field is float32.</exception>
    public Span<int> Integers(int field) => _batch.Of<int>(field, _index);
}
