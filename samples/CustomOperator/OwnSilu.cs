using NativeAmp;
using NativeAmp.Training;

namespace SiluSample;

/// <summary>SiLU, x times sigmoid(x), by plain C# over the memory of float32 tensors on the CPU.</summary>
public sealed class OwnSilu() : CustomOperator("own_silu")
{
    /// <inheritdoc/>
    protected override Tensor Forward(IReadOnlyList<Tensor> inputs, SavedTensors saved)
    {
        saved.Save(inputs[0]);
        return Map(inputs[0], inputs[0], (x, _) => x * Sigmoid(x));
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Tensor?> Backward(IReadOnlyList<Tensor> saved, Tensor outputGradient) =>
        [Map(saved[0], outputGradient, (x, g) => g * Sigmoid(x) * (1 + x * (1 - Sigmoid(x))))];

    private static float Sigmoid(float x) => 1 / (1 + MathF.Exp(-x));

    private static Tensor Map(Tensor left, Tensor right, Func<float, float, float> function)
    {
        if (!left.Device.IsHostMemory || left.DType != DType.Float32 || right.DType != DType.Float32)
            throw new NotSupportedException("This SiLU is for float32 tensors on the CPU.");
        Tensor result = Tensor.Empty(left.Device, DType.Float32, left.Shape);
        Span<float> a = Elements(left),
            b = Elements(right),
            to = Elements(result);
        for (int i = 0; i < to.Length; i++)
            to[i] = function(a[i], b[i]);
        return result;
    }

    private static unsafe Span<float> Elements(Tensor tensor) =>
        new((void*)tensor.Cell.Pointer, checked((int)tensor.Count));
}

/// <summary>SiLU as a layer.</summary>
public sealed class OwnSiluLayer : Module
{
    private readonly OwnSilu _silu = new();

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => _silu.Apply(input);
}
