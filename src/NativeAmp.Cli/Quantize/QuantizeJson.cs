using System.Text.Json.Serialization;

namespace NativeAmp.Cli.Quantize;

/// <summary>A quantised layer.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">Its weight's sizes.</param>
/// <param name="Bytes">Bytes of codes and scales.</param>
/// <param name="SignalToNoise">In decibels; null without an error.</param>
internal sealed record LayerRow(string Name, long[] Shape, long Bytes, double? SignalToNoise);

/// <summary>The answer of quantize.</summary>
/// <param name="Layers">The quantised layers.</param>
/// <param name="BytesBefore">Bytes of the model's tensors before.</param>
/// <param name="BytesAfter">And after.</param>
/// <param name="Out">The file that was written; null for none.</param>
/// <param name="FineTuneLoss">Loss of the last step of --fine-tune; null without it.</param>
internal sealed record QuantizeSummary(
    IReadOnlyList<LayerRow> Layers,
    long BytesBefore,
    long BytesAfter,
    string? Out,
    float? FineTuneLoss
);

/// <summary>A model on the data.</summary>
/// <param name="File">Its file.</param>
/// <param name="Scheme">float32, or the scheme that it was quantised by.</param>
/// <param name="Bytes">Bytes of its tensors.</param>
/// <param name="Accuracy">Share of right classes; null for gpt.</param>
/// <param name="Perplexity">Of a byte; null for images.</param>
/// <param name="SamplesPerSecond">Images, or windows of the context's length.</param>
/// <param name="Layers">Noise of each quantised layer's output beside the first file, if that is of floats; else
/// null.</param>
internal sealed record EvaluatedModel(
    string File,
    string Scheme,
    long Bytes,
    double? Accuracy,
    double? Perplexity,
    double SamplesPerSecond,
    IReadOnlyList<OutputRow>? Layers
);

/// <summary>A layer's output.</summary>
/// <param name="Name">The layer's name.</param>
/// <param name="SignalToNoise">In decibels; null without an error.</param>
internal sealed record OutputRow(string Name, double? SignalToNoise);

/// <summary>The answer of evaluate.</summary>
internal sealed record EvaluateSummary(IReadOnlyList<EvaluatedModel> Models, long Samples);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(QuantizeSummary))]
[JsonSerializable(typeof(EvaluateSummary))]
internal sealed partial class QuantizeJson : JsonSerializerContext;
