namespace NativeAmp.Training.Quantization;

/// <summary>The values of layers' inputs while a model computes.</summary>
internal sealed class InputRanges : IDisposable
{
    private readonly LayerWatches _watches = new();
    private readonly Dictionary<IQuantizable, InputHistogram> _histograms = new(ReferenceEqualityComparer.Instance);

    /// <summary>Begins to watch layers.</summary>
    public InputRanges(IEnumerable<IQuantizable> layers)
    {
        foreach (IQuantizable layer in layers)
        {
            var histogram = _histograms[layer] = new InputHistogram();
            _watches.Inputs(layer, input => histogram.Add(input.ToFloats()));
        }
    }

    /// <summary>The values of a layer; null if it saw none but zeros.</summary>
    public InputHistogram? Of(IQuantizable layer) =>
        _histograms.GetValueOrDefault(layer) is { HasValues: true } found ? found : null;

    /// <summary>Stops watching.</summary>
    public void Dispose() => _watches.Dispose();
}
