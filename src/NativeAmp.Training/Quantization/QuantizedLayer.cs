namespace NativeAmp.Training.Quantization;

/// <summary>A layer that was quantised.</summary>
public sealed record QuantizedLayer
{
    /// <summary>Its full name, such as "block0.expand".</summary>
    public required string Name { get; init; }

    /// <summary>Its weight.</summary>
    public required QuantizedTensor Weight { get; init; }

    /// <summary>The codes of its input; null unless the kind is <see cref="QuantizationKind.Int8Static"/>.</summary>
    public InputCodes? Input { get; init; }

    /// <summary>
    /// Signal-to-noise ratio of the weight in decibels: ten times the logarithm of the mean square of the values over
    /// that of their errors; infinite without an error.
    /// </summary>
    public required double SignalToNoise { get; init; }
}

/// <summary>The result of <see cref="Quantizer.Quantize"/>.</summary>
public sealed record QuantizationReport
{
    /// <summary>The layers that were quantised, in the order of the model.</summary>
    public required IReadOnlyList<QuantizedLayer> Layers { get; init; }

    /// <summary>The batch norms that were folded, and those that were not; none unless the kind is
    /// <see cref="QuantizationKind.Int8Static"/>.</summary>
    public BatchNormReport BatchNorms { get; init; } = BatchNormReport.None;

    /// <summary>Bytes of parameters and buffers in float32.</summary>
    public required long BytesBefore { get; init; }

    /// <summary>The same with codes and scales instead of weights.</summary>
    public required long BytesAfter { get; init; }
}
