namespace NativeAmp.Training;

/// <summary>Draws tokens from logits, without an allocation for each.</summary>
internal sealed class TokenSampler(GenerationOptions options, int vocabulary)
{
    private readonly RandomGenerator _random = options.Random ?? RandomGenerator.Default;
    private readonly double[] _weights = new double[vocabulary];
    private readonly double[] _sorted = new double[vocabulary];
    private readonly int[] _order = new int[vocabulary];

    /// <summary>
    /// An index, by softmax(logits / temperature) of the tokens that the options leave. At a temperature of 0 it is the
    /// first of the largest; a NaN is never drawn, unless there is nothing else.
    /// </summary>
    public int Draw(ReadOnlySpan<float> logits)
    {
        int largest = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[largest] || (float.IsNaN(logits[largest]) && !float.IsNaN(logits[i])))
                largest = i;
        }

        if (options.Temperature == 0 || !float.IsFinite(logits[largest]))
            return largest;
        for (int i = 0; i < logits.Length; i++)
            _weights[i] = float.IsNaN(logits[i])
                ? 0
                : Math.Exp(((double)logits[i] - logits[largest]) / options.Temperature);
        if ((options.TopK > 0 && options.TopK < logits.Length) || options.TopP < 1)
            Narrow(logits.Length);
        double sum = 0;
        foreach (double weight in _weights.AsSpan(0, logits.Length))
            sum += weight;
        double left = _random.NextSingle() * sum;
        for (int i = 0; i < logits.Length; i++)
        {
            if ((left -= _weights[i]) < 0)
                return i;
        }

        return largest;
    }

    // The others get a weight of 0. Of equal weights the first counts as the larger.
    private void Narrow(int count)
    {
        for (int i = 0; i < count; i++)
            (_order[i], _sorted[i]) = (i, -_weights[i]);
        Array.Sort(_sorted, _order, 0, count);
        SortTies(count);
        int kept = options.TopK > 0 ? Math.Min(options.TopK, count) : count;
        double sum = 0;
        for (int i = 0; i < kept; i++)
            sum += _weights[_order[i]];
        double reached = 0;
        for (int i = 0; i < kept; i++)
        {
            reached += _weights[_order[i]];
            if (reached >= options.TopP * sum)
                kept = i + 1;
        }

        for (int i = kept; i < count; i++)
            _weights[_order[i]] = 0;
    }

    // Array.Sort does not keep the order of equal keys.
    private void SortTies(int count)
    {
        for (int first = 0, end; first < count; first = end)
        {
            for (end = first + 1; end < count && _sorted[end] == _sorted[first]; )
                end++;
            if (end > first + 1)
                Array.Sort(_order, first, end - first);
        }
    }
}
