namespace NativeAmp.Training.Quantization;

/// <summary>The noise of a layer's output beside that of the same layer in float.</summary>
public sealed record LayerNoise
{
    /// <summary>Full name of the layer.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// Signal-to-noise ratio of the output in decibels: ten times the logarithm of the sum of squares of the float
    /// model's values over that of the differences; infinite without any.
    /// </summary>
    public required double SignalToNoise { get; init; }
}

/// <summary>
/// The noise of each quantised layer's output beside a float model, on the same samples. It has the noise of the layers
/// before it too: it says where a model goes wrong, while <see cref="QuantizedLayer.SignalToNoise"/> is of one weight.
/// </summary>
public static class OutputNoise
{
    /// <summary>Measures every quantised layer.</summary>
    /// <param name="exact">The float model. Its outputs are kept until the end: take a few hundred samples.</param>
    /// <param name="quantized">The quantised model, of the same layers.</param>
    /// <param name="compute">Computes with a model, for both on the same samples in the same order.</param>
    /// <returns>The layers in the order of the model. An output with its activation, where one pass computes
    /// both.</returns>
    /// <exception cref="ArgumentException">A layer is not in the float model, or is quantised there.</exception>
    /// <exception cref="InvalidOperationException">A layer computed other numbers of values in the two models, or
    /// none.</exception>
    public static IReadOnlyList<LayerNoise> Measure(Module exact, Module quantized, Action<Module> compute)
    {
        ArgumentNullException.ThrowIfNull(exact);
        ArgumentNullException.ThrowIfNull(quantized);
        ArgumentNullException.ThrowIfNull(compute);
        var floats = IQuantizable.Of(exact).ToDictionary(each => each.Name, each => each.Layer);
        (string Name, IQuantizable Layer)[] layers =
        [
            .. IQuantizable.Of(quantized).Where(each => each.Layer.Quantized is not null),
        ];
        foreach ((string name, _) in layers)
        {
            if (!floats.TryGetValue(name, out IQuantizable? layer) || layer.Quantized is not null)
                throw new ArgumentException($"The float model has no float layer '{name}'.", nameof(exact));
        }

        var outputs = Collect(layers.Select(each => floats[each.Name]), () => compute(exact));
        var noisy = Collect(layers.Select(each => each.Layer), () => compute(quantized));
        return
        [
            .. layers.Select(
                (each, i) =>
                    new LayerNoise { Name = each.Name, SignalToNoise = Compare(each.Name, outputs[i], noisy[i]) }
            ),
        ];
    }

    // The outputs of each layer while something computes.
    private static List<float[]>[] Collect(IEnumerable<IQuantizable> layers, Action compute)
    {
        using var watches = new LayerWatches();
        List<List<float[]>> outputs = [];
        foreach (IQuantizable layer in layers)
        {
            List<float[]> seen = [];
            watches.Outputs(layer, output => seen.Add(output.ToFloats()));
            outputs.Add(seen);
        }

        compute();
        return [.. outputs];
    }

    private static double Compare(string name, List<float[]> exact, List<float[]> noisy)
    {
        if (
            exact.Count == 0
            || !exact.Select(values => values.Length).SequenceEqual(noisy.Select(values => values.Length))
        )
            throw new InvalidOperationException(
                $"Layer '{name}' computed {exact.Sum(values => values.Length)} values in the float model, and "
                    + $"{noisy.Sum(values => values.Length)} in the quantised one: compute on the same samples."
            );
        return Decibels(
            exact.Zip(noisy).SelectMany(pair => pair.First.Zip(pair.Second, (x, y) => ((double)x, (double)y)))
        );
    }

    /// <summary>Ten times the logarithm of the values' squares over those of their errors.</summary>
    internal static double Decibels(IEnumerable<(double Value, double Noisy)> values)
    {
        double signal = 0;
        double noise = 0;
        foreach ((double value, double noisy) in values)
        {
            signal += value * value;
            noise += (value - noisy) * (value - noisy);
        }

        return noise == 0 ? double.PositiveInfinity : 10 * Math.Log10(signal / noise);
    }
}
