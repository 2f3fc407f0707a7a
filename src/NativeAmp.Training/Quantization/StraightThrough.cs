namespace NativeAmp.Training.Quantization;

/// <summary>
/// A layer's weight and input rounded to the values of their integers, with the gradients of the values before
/// rounding: the straight-through estimator (Bengio et al. 2013, "Estimating or Propagating Gradients Through
/// Stochastic Neurons"). An input beyond its range, whose code does not follow it, has no gradient.
/// </summary>
internal sealed class StraightThrough(QuantizationScheme scheme, InputCodes? codes)
{
    private readonly RoundedWeight _weight = new(scheme);
    private readonly RoundedInput? _input = codes is null ? null : new RoundedInput(codes);

    /// <summary>The codes of the input; null if it stays floating-point.</summary>
    public InputCodes? Codes { get; } = codes;

    /// <summary>The rounded weight, in float32.</summary>
    public Tensor Weight(Parameter weight) => _weight.Apply(weight);

    /// <summary>The rounded input, in float32; the input itself if it stays floating-point.</summary>
    public Tensor Input(Tensor input) => _input?.Apply(input) ?? input;

    private sealed class RoundedWeight(QuantizationScheme scheme) : CustomOperator("rounded weight")
    {
        protected override Tensor Forward(IReadOnlyList<Tensor> inputs, SavedTensors saved)
        {
            float[] values = inputs[0].ToFloats();
            // A training that went wrong shows it in the loss.
            float[] rounded = Array.TrueForAll(values, float.IsFinite)
                ? WeightRounding.Round(values, inputs[0].Shape, scheme).Dequantize()
                : values;
            return Tensor.From<float>(inputs[0].Device, rounded, inputs[0].Shape);
        }

        protected override IReadOnlyList<Tensor?> Backward(IReadOnlyList<Tensor> saved, Tensor outputGradient) =>
            [outputGradient.Detach()];
    }

    private sealed class RoundedInput(InputCodes codes) : CustomOperator("rounded input")
    {
        // Half a code beyond the ends still rounds to them.
        private readonly float _least = (float)((sbyte.MinValue - 0.5 - codes.ZeroPoint) * codes.Scale);
        private readonly float _most = (float)((sbyte.MaxValue + 0.5 - codes.ZeroPoint) * codes.Scale);

        protected override Tensor Forward(IReadOnlyList<Tensor> inputs, SavedTensors saved)
        {
            saved.Save(inputs[0]);
            float[] values = inputs[0].ToFloats();
            ForChunks(
                values.Length,
                (begin, end) =>
                {
                    for (int i = begin; i < end; i++)
                        values[i] = float.IsNaN(values[i]) ? values[i] : (float)codes.Round(values[i]);
                }
            );
            return Tensor.From<float>(inputs[0].Device, values, inputs[0].Shape);
        }

        protected override IReadOnlyList<Tensor?> Backward(IReadOnlyList<Tensor> saved, Tensor outputGradient)
        {
            float[] input = saved[0].ToFloats();
            float[] gradient = outputGradient.ToFloats();
            ForChunks(
                input.Length,
                (begin, end) =>
                {
                    for (int i = begin; i < end; i++)
                    {
                        if (input[i] < _least || input[i] > _most)
                            gradient[i] = 0;
                    }
                }
            );
            return [Tensor.From<float>(outputGradient.Device, gradient, outputGradient.Shape)];
        }
    }

    private static void ForChunks(int count, Action<int, int> body)
    {
        const int chunk = 1 << 16;
        Parallel.For(0, (count + chunk - 1) / chunk, i => body(i * chunk, Math.Min(count, (i + 1) * chunk)));
    }
}
