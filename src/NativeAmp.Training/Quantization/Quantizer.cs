using NativeAmp.Interop;

namespace NativeAmp.Training.Quantization;

/// <summary>
/// Turns the weights of a trained model into integers. Linear layers then compute with them: their float32 weights are
/// gone, and they have no gradient. Convolutions compute in float with the rounded weights, which are only smaller in
/// files. Embeddings, norms and biases stay as they are.
/// </summary>
/// <example>
/// <code>
/// var scheme = new QuantizationScheme { Kind = QuantizationKind.Int8Dynamic };
/// QuantizationReport report = Quantizer.Quantize(model, scheme);
/// double accuracy = Evaluation.Accuracy(model, test, device);
/// QuantizedFile.Save(model, "model.safetensors", scheme);
/// </code>
/// </example>
public static class Quantizer
{
    /// <summary>Quantises a model in place.</summary>
    /// <param name="model">The model, on a CPU device.</param>
    /// <param name="scheme">What weights become.</param>
    /// <param name="calibrate">Computes with the model on a few hundred samples such as it will see, for
    /// <see cref="QuantizationMethod.Gptq"/>; null for the other methods.</param>
    /// <returns>The layers and their signal-to-noise ratios.</returns>
    /// <exception cref="ArgumentException">The scheme is invalid, names a layer that is not in the model, or a weight
    /// is not finite; or <paramref name="calibrate"/> is missing, or not for the method. Nothing was
    /// changed.</exception>
    /// <exception cref="InvalidOperationException">A layer had no finite input in <paramref name="calibrate"/>; or the
    /// model has no layer to quantise, is quantised, is not on a CPU device, or belongs to an optimizer. Nothing was
    /// changed.</exception>
    public static QuantizationReport Quantize(Module model, QuantizationScheme scheme, Action<Module>? calibrate = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(scheme);
        scheme.Check();
        if ((scheme.Method == QuantizationMethod.Gptq) != (calibrate is not null))
            throw new ArgumentException(
                calibrate is null
                    ? "Gptq rounds by the inputs that layers have: give a calibrate that computes with the model."
                    : $"{scheme.Method} rounds without data; calibrate is for Gptq.",
                nameof(calibrate)
            );
        IReadOnlyList<(string Name, IQuantizable Layer)> all = IQuantizable.Of(model);
        if (scheme.Keep.FirstOrDefault(name => all.All(each => each.Name != name)) is { } unknown)
            throw new ArgumentException(
                $"Keep names '{unknown}'; the layers that can be quantised are "
                    + $"{string.Join(", ", all.Select(each => $"'{each.Name}'"))}.",
                nameof(scheme)
            );
        (string Name, IQuantizable Layer)[] chosen = [.. all.Where(each => !scheme.Keep.Contains(each.Name))];
        if (chosen.Length == 0)
            throw new InvalidOperationException(
                all.Count == 0
                    ? "The model has no linear layer and no convolution: there is nothing to quantise."
                    : "Keep names every layer: there is nothing to quantise."
            );
        foreach ((string name, IQuantizable layer) in all)
            CheckLayer(name, layer);
        if (
            calibrate is not null
            && chosen.FirstOrDefault(each => each.Layer is Linear { Inputs: > GptqRounding.MostColumns })
                is { Layer: Linear wide } found
        )
            throw new ArgumentException(
                $"Layer '{found.Name}' has {wide.Inputs} inputs, and Gptq takes at most {GptqRounding.MostColumns}. Keep "
                    + "it, or choose Hqq.",
                nameof(scheme)
            );
        long before = model.State().Sum(each => each.Values.Count * sizeof(float));
        using var inputs = new InputProducts(
            calibrate is null ? [] : chosen.Select(each => each.Layer).OfType<Linear>()
        );
        calibrate?.Invoke(model);
        QuantizedLayer[] layers = [.. chosen.Select(each => Round(each.Name, each.Layer, scheme, inputs))];
        long saved = chosen.Sum(each => each.Layer.Weight.Count * sizeof(float));
        foreach (((_, IQuantizable layer), QuantizedLayer rounded) in chosen.Zip(layers))
            layer.Quantize(rounded.Weight, scheme.Kind);
        return new QuantizationReport
        {
            Layers = layers,
            BytesBefore = before,
            BytesAfter = before - saved + layers.Sum(layer => layer.Weight.ByteLength),
        };
    }

    /// <summary>Checks that a layer can be quantised now.</summary>
    internal static void CheckLayer(string name, IQuantizable layer)
    {
        if (layer.Quantized is not null)
            throw new InvalidOperationException($"Layer '{name}' is quantised already; load the float32 model again.");
        if (layer.Weight.IsOnHost || layer.Weight.Device.Kind != DeviceKind.Cpu)
            throw new InvalidOperationException(
                $"Layer '{name}' is not on a CPU device, where products of integers are: call model.To(Device.Cpu())."
            );
        if (((Module)layer).OwnParameters().FirstOrDefault(each => each.DType != DType.Float32) is { } half)
            throw new InvalidOperationException(
                $"Layer '{name}' has parameters in {half.DType.Name()}: call model.To(DType.Float32) first."
            );
        if (layer.Weight.Optimizers.Any)
            throw new InvalidOperationException(
                $"The weight of layer '{name}' belongs to an optimizer; dispose that first."
            );
    }

    /// <summary>Checks that a layer computes with a weight of this depth.</summary>
    internal static bool FitsSums(QuantizationKind kind, long columns) =>
        kind != QuantizationKind.Int8Dynamic || columns <= NativeConstants.Int8GemmMaxK;

    private static QuantizedLayer Round(
        string name,
        IQuantizable layer,
        QuantizationScheme scheme,
        InputProducts inputs
    )
    {
        float[] values = layer.Weight.ReadMaster();
        if (values.Any(value => !float.IsFinite(value)))
            throw new ArgumentException($"The weight of layer '{name}' has values that are not finite.");
        float[]? products = null;
        if (scheme.Method == QuantizationMethod.Gptq && layer is Linear linear)
            products =
                inputs.Of(linear)
                ?? throw new InvalidOperationException(
                    $"Layer '{name}' had no finite input in the calibration: let it compute there, or keep the layer."
                );
        QuantizedTensor weight = WeightRounding.Round(values, layer.Weight.Shape, scheme, products);
        if (layer is Linear && !FitsSums(scheme.Kind, weight.Columns))
            throw new ArgumentException(
                $"Layer '{name}' has {weight.Columns} inputs; sums of 8-bit products take at most "
                    + $"{NativeConstants.Int8GemmMaxK}. Keep it, or choose Int8."
            );
        double signal = 0;
        double noise = 0;
        foreach ((float value, float rounded) in values.Zip(weight.Dequantize()))
        {
            signal += (double)value * value;
            noise += ((double)value - rounded) * ((double)value - rounded);
        }

        return new QuantizedLayer
        {
            Name = name,
            Weight = weight,
            SignalToNoise = noise == 0 ? double.PositiveInfinity : 10 * Math.Log10(signal / noise),
        };
    }
}
