namespace NativeAmp.Training.Data;

/// <summary>One array of each sample: an input, or what is to be predicted.</summary>
public sealed record DataField
{
    /// <summary>How it is called in messages.</summary>
    public required string Name { get; init; }

    /// <summary>float32 or int32.</summary>
    public required DType DType { get; init; }

    /// <summary>
    /// Its shape in one sample; a batch has the number of samples before it. One element without dimensions if not
    /// given.
    /// </summary>
    public Shape Shape { get; init; } = Shape.Scalar;
}
