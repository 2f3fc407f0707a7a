namespace NativeAmp.Training.Data;

/// <summary>One array of each sample: an input, or a target.</summary>
public sealed record DataField
{
    /// <summary>Its name in messages.</summary>
    public required string Name { get; init; }

    /// <summary>Its dtype, float32 or int32.</summary>
    public required DType DType { get; init; }

    /// <summary>
    /// Its shape in one sample. In a batch the number of samples comes first. The default is a scalar.
    /// </summary>
    public Shape Shape { get; init; } = Shape.Scalar;
}
