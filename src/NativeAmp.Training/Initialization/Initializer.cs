namespace NativeAmp.Training;

/// <summary>Fills a parameter's values from a generator.</summary>
/// <param name="shape">The parameter's shape; a weight is [out, in, ...].</param>
/// <param name="random">The generator of the numbers.</param>
public delegate float[] Initializer(Shape shape, RandomGenerator random);

/// <summary>
/// The usual initial values. Fan-in is the number of inputs of one output (in · kernel); fan-out is the number of
/// outputs of one input (out · kernel).
/// </summary>
public static class Initializers
{
    /// <summary>The gain of ReLU, √2.</summary>
    public static float ReluGain { get; } = MathF.Sqrt(2);

    /// <summary>The same value everywhere.</summary>
    public static Initializer Constant(float value) =>
        (shape, _) =>
        {
            var values = new float[shape.Count];
            Array.Fill(values, value);
            return values;
        };

    /// <summary>Uniform in [low, high).</summary>
    public static Initializer Uniform(float low, float high) =>
        (shape, random) => Fill(shape, () => low + (high - low) * random.NextSingle());

    /// <summary>Normal with mean 0. GPT uses a standard deviation of 0.02.</summary>
    public static Initializer Normal(float deviation) =>
        (shape, random) => Fill(shape, () => deviation * random.NextNormal());

    /// <summary>Uniform with a variance of gain² / fan-in (He et al. 2015).</summary>
    public static Initializer KaimingUniform(float gain) =>
        (shape, random) => Symmetric(gain * MathF.Sqrt(3f / Fans(shape).In))(shape, random);

    /// <summary>Normal with a variance of gain² / fan-in (He et al. 2015).</summary>
    public static Initializer KaimingNormal(float gain) =>
        (shape, random) => Normal(gain / MathF.Sqrt(Fans(shape).In))(shape, random);

    /// <summary>Uniform with a variance of gain² · 2 / (fan-in + fan-out) (Glorot and Bengio 2010).</summary>
    public static Initializer XavierUniform(float gain = 1) =>
        (shape, random) =>
        {
            (long fanIn, long fanOut) = Fans(shape);
            return Symmetric(gain * MathF.Sqrt(6f / (fanIn + fanOut)))(shape, random);
        };

    /// <summary>Normal with a variance of gain² · 2 / (fan-in + fan-out) (Glorot and Bengio 2010).</summary>
    public static Initializer XavierNormal(float gain = 1) =>
        (shape, random) =>
        {
            (long fanIn, long fanOut) = Fans(shape);
            return Normal(gain * MathF.Sqrt(2f / (fanIn + fanOut)))(shape, random);
        };

    /// <summary>
    /// PyTorch's default for the weights and biases of linear and convolution layers: uniform within 1 / √fan-in of
    /// zero.
    /// </summary>
    /// <param name="fanIn">Number of inputs of one output.</param>
    public static Initializer PyTorchDefault(long fanIn)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(fanIn);
        return Symmetric(1 / MathF.Sqrt(fanIn));
    }

    private static Initializer Symmetric(float bound) => Uniform(-bound, bound);

    private static float[] Fill(Shape shape, Func<float> draw)
    {
        var values = new float[shape.Count];
        for (int i = 0; i < values.Length; i++)
            values[i] = draw();
        return values;
    }

    private static (long In, long Out) Fans(Shape shape)
    {
        if (shape.Rank < 2)
            throw new ArgumentException(
                $"A fan is that of a weight of two or more dimensions, not of {shape}.",
                nameof(shape)
            );
        long kernel = new Shape(shape.Dimensions[2..]).Count;
        return (shape[1] * kernel, shape[0] * kernel);
    }
}
