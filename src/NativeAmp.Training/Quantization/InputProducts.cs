namespace NativeAmp.Training.Quantization;

/// <summary>
/// The sum of x xᵀ over the inputs x of linear layers while a model computes: the Hessian of a layer's squared error,
/// but for a factor, which <see cref="GptqRounding"/> needs.
/// </summary>
internal sealed class InputProducts : IDisposable
{
    private readonly Dictionary<Linear, float[]> _sums = new(ReferenceEqualityComparer.Instance);
    private readonly LayerWatches _watches = new();

    /// <summary>Begins to watch layers.</summary>
    public InputProducts(IEnumerable<Linear> layers)
    {
        foreach (Linear layer in layers)
            _watches.Inputs(layer, input => Add(layer, input));
    }

    /// <summary>[inputs, inputs] of a layer; null if it saw no finite input.</summary>
    public float[]? Of(Linear layer) => _sums.GetValueOrDefault(layer);

    /// <summary>Stops watching.</summary>
    public void Dispose() => _watches.Dispose();

    private void Add(Linear layer, Tensor input)
    {
        if (input.Count == 0)
            return;
        using NoGrad noGrad = NoGrad.Enter();
        using AutocastScope float32 = Autocast.Enter(PrecisionPolicy.Float32);
        Tensor rows = Ops.Cast(input, DType.Float32).Reshape(-1, input.Shape[-1]);
        float[] products = Ops.MatMul(Ops.Permute(rows, 1, 0), rows).ToArray<float>();
        if (!Array.TrueForAll(products, float.IsFinite))
            return;
        if (!_sums.TryAdd(layer, products))
        {
            float[] sum = _sums[layer];
            for (int i = 0; i < sum.Length; i++)
                sum[i] += products[i];
        }
    }
}
