namespace NativeAmp.Training.Quantization;

/// <summary>
/// Turns the weights of a trained model into integers. Linear layers then compute with them: their float32 weights are
/// gone, and they have no gradient. So do convolutions with <see cref="QuantizationKind.Int8Static"/>; with the other
/// kinds they compute in float with the rounded weights, which are only smaller in files. Embeddings, norms and biases
/// stay as they are, but for batch norms that are folded.
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
    /// <param name="model">The model, on a device.</param>
    /// <param name="scheme">What weights become.</param>
    /// <param name="calibrate">Computes with the model on a few hundred samples such as it will see, for
    /// <see cref="QuantizationKind.Int8Static"/> and for <see cref="QuantizationMethod.Gptq"/>; null without
    /// them.</param>
    /// <returns>The layers and their signal-to-noise ratios.</returns>
    /// <exception cref="ArgumentException">The scheme is invalid, names a layer that is not in the model, or a weight
    /// is not finite; or <paramref name="calibrate"/> is missing, or not for the scheme. Nothing was
    /// changed.</exception>
    /// <exception cref="InvalidOperationException">A layer had no finite input in <paramref name="calibrate"/>; or the
    /// model has no layer to quantise, is quantised, is not on a device, belongs to an optimizer, or is in training
    /// mode where batch norms are folded. Nothing was changed.</exception>
    public static QuantizationReport Quantize(Module model, QuantizationScheme scheme, Action<Module>? calibrate = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(scheme);
        (string Name, IQuantizable Layer)[] chosen = Choose(model, scheme, calibrate);
        if (
            scheme.Method == QuantizationMethod.Gptq
            && chosen.FirstOrDefault(each => each.Layer is Linear { Inputs: > GptqRounding.MostColumns })
                is { Layer: Linear wide } found
        )
            throw new ArgumentException(
                $"Layer '{found.Name}' has {wide.Inputs} inputs, and Gptq takes at most {GptqRounding.MostColumns}. "
                    + "Keep it, or choose Hqq.",
                nameof(scheme)
            );
        bool isStatic = scheme.Kind == QuantizationKind.Int8Static;
        (IReadOnlyList<BatchNormPair> pairs, IReadOnlyList<KeptBatchNorm> norms) = FindBatchNorms(model, scheme);
        using var products = new InputProducts(
            scheme.Method == QuantizationMethod.Gptq ? chosen.Select(each => each.Layer).OfType<Linear>() : []
        );
        using var ranges = new InputRanges(isStatic ? chosen.Select(each => each.Layer) : []);
        calibrate?.Invoke(model);
        FoldedWeight[] folded = [.. pairs.Select(FoldedWeight.Of)];
        InputCodes?[] inputs =
        [
            .. chosen.Select(each => isStatic ? ChooseCodes(each.Name, each.Layer, scheme, ranges) : null),
        ];
        return Apply(model, scheme, chosen, inputs, folded, products) with
        {
            BatchNorms = BatchNormFolding.ReportOf(pairs, norms),
        };
    }

    /// <summary>Checks a scheme and a model, and gives the layers that the scheme is for.</summary>
    internal static (string Name, IQuantizable Layer)[] Choose(
        Module model,
        QuantizationScheme scheme,
        Action<Module>? calibrate
    )
    {
        scheme.Check();
        if (scheme.Calibrates != (calibrate is not null))
            throw new ArgumentException(
                calibrate is null
                    ? "Int8Static and Gptq look at the inputs that layers have: give a calibrate that computes with "
                        + "the model."
                    : $"{scheme.Kind} with {scheme.Method} needs no data; calibrate is for Int8Static and for Gptq.",
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
        return chosen;
    }

    /// <summary>The batch norms that a scheme folds.</summary>
    internal static (IReadOnlyList<BatchNormPair> Pairs, IReadOnlyList<KeptBatchNorm> Kept) FindBatchNorms(
        Module model,
        QuantizationScheme scheme
    )
    {
        if (scheme.Kind != QuantizationKind.Int8Static)
            return ([], []);
        var found = BatchNormFolding.Find(model, scheme.Keep);
        return found.Pairs.Count > 0 && model.IsTraining
            ? throw new InvalidOperationException(
                $"The model is in training mode, where batch norm '{found.Pairs[0].Name}' computes with each batch's "
                    + "own statistics: call model.Eval() first."
            )
            : found;
    }

    /// <summary>Rounds the weights of layers, of which some have batch norms folded in, and gives them to the
    /// layers.</summary>
    internal static QuantizationReport Apply(
        Module model,
        QuantizationScheme scheme,
        (string Name, IQuantizable Layer)[] chosen,
        InputCodes?[] inputs,
        FoldedWeight[] folded,
        InputProducts? products
    )
    {
        long before = Bytes(model.State());
        QuantizedLayer[] layers =
        [
            .. chosen.Select(
                (each, i) =>
                    Round(
                        each.Name,
                        each.Layer,
                        folded.FirstOrDefault(pair => pair.Pair.Convolution == each.Layer)?.Weight
                            ?? each.Layer.Weight.ReadMaster(),
                        scheme,
                        products
                    ) with
                    {
                        Input = inputs[i],
                    }
            ),
        ];
        foreach (FoldedWeight each in folded)
            each.TakeBias();
        foreach (((_, IQuantizable layer), QuantizedLayer rounded) in chosen.Zip(layers))
            layer.Quantize(rounded.Weight, scheme.Kind, rounded.Input);
        return new QuantizationReport
        {
            Layers = layers,
            BytesBefore = before,
            BytesAfter =
                Bytes(QuantizedFile.FloatState(model, chosen.Select(each => each.Layer)))
                + layers.Sum(layer => layer.Weight.ByteLength + (layer.Input is null ? 0 : InputCodes.ByteLength)),
        };
    }

    /// <summary>Checks that a layer can be quantised now.</summary>
    internal static void CheckLayer(string name, IQuantizable layer)
    {
        if (layer.Quantized is not null)
            throw new InvalidOperationException($"Layer '{name}' is quantised already; load the float32 model again.");
        if (layer.Hooks.Rounding is not null)
            throw new InvalidOperationException(
                $"Layer '{name}' is in quantisation-aware training: call Finish, or dispose that."
            );
        if (layer.Weight.IsOnHost)
            throw new InvalidOperationException(
                $"Layer '{name}' is not on a device yet: call model.To(device) first, with a CPU device or a GPU."
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

    private static long Bytes(IEnumerable<(string Name, Parameter Values)> state) =>
        state.Sum(each => each.Values.Count * sizeof(float));

    /// <summary>The codes of a layer's input.</summary>
    internal static InputCodes ChooseCodes(
        string name,
        IQuantizable layer,
        QuantizationScheme scheme,
        InputRanges ranges
    ) =>
        ranges.Of(layer)?.Choose(scheme.Observer, scheme.Percentile)
        ?? throw new InvalidOperationException(
            $"Layer '{name}' had no finite input but zeros in the calibration: let it compute there on samples such as "
                + "it will see, or keep the layer."
        );

    private static QuantizedLayer Round(
        string name,
        IQuantizable layer,
        float[] values,
        QuantizationScheme scheme,
        InputProducts? products
    )
    {
        if (values.Any(value => !float.IsFinite(value)))
            throw new ArgumentException($"The weight of layer '{name}' has values that are not finite.");
        float[]? sums = null;
        if (scheme.Method == QuantizationMethod.Gptq && layer is Linear linear)
            sums =
                products?.Of(linear)
                ?? throw new InvalidOperationException(
                    $"Layer '{name}' had no finite input in the calibration: let it compute there, or keep the layer."
                );
        QuantizedTensor weight = WeightRounding.Round(values, layer.Weight.Shape, scheme, sums);
        if (weight.Columns > layer.MostInputs(scheme.Kind))
            throw new ArgumentException(
                $"Layer '{name}' has {weight.Columns} inputs; sums of 8-bit products take at most "
                    + $"{layer.MostInputs(scheme.Kind)}. Keep it, or choose Int8."
            );
        return new QuantizedLayer
        {
            Name = name,
            Weight = weight,
            SignalToNoise = OutputNoise.Decibels(values.Zip(weight.Dequantize(), (x, y) => ((double)x, (double)y))),
        };
    }
}
