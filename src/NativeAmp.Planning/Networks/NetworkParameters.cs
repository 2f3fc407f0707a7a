namespace NativeAmp.Planning;

/// <summary>The memory of a network's parameters. Each parameter is its own piece of memory.</summary>
/// <param name="precision">The precision of matrix products.</param>
internal sealed class NetworkParameters(TrainingPrecision precision)
{
    // FusedAdam keeps each moment of all parameters in one piece of memory, each parameter at a multiple of 64
    // elements.
    private const double Alignment = 64;

    // Records of the last 64 steps and of the one before (StepHistory), the optimizer's own facts, the loss scale.
    private const double HistoryBytes = 65 * 136,
        FactsBytes = 256,
        ScaleBytes = 256,
        StepCountBytes = 8;

    private readonly List<(double Count, bool InProducts, bool OneHalfGradient)> _all = [];

    private bool IsHalf => precision is TrainingPrecision.Fp16 or TrainingPrecision.Bf16;

    /// <summary>Weight and bias of a linear layer or convolution.</summary>
    public NetworkParameters Product(double weight, double bias) => Add(weight, true, true).Add(bias, true, true);

    /// <summary>Weight and bias of a norm, which is computed in float32.</summary>
    public NetworkParameters Norm(double width) => Add(width, false, false).Add(width, false, false);

    /// <summary>An embedding table, looked up in float32.</summary>
    /// <param name="count">Elements.</param>
    /// <param name="isHead">Whether a matrix product reads it too. It then has a compute copy, and its two gradients
    /// are added in float32.</param>
    public NetworkParameters Table(double count, bool isHead) => Add(count, isHead, false);

    public NetworkMemory With(double activations) =>
        new(
            _all.Sum(p => p.Count),
            _all.Sum(p => PoolSize.Of(4 * p.Count)),
            IsHalf ? _all.Where(p => p.InProducts).Sum(p => PoolSize.Of(2 * p.Count)) : 0,
            _all.Sum(p => PoolSize.Of((IsHalf && p.OneHalfGradient ? 2 : 4) * p.Count)),
            2 * PoolSize.Of(4 * _all.Sum(p => Math.Ceiling(p.Count / Alignment) * Alignment))
                + PoolSize.Of(StepCountBytes * _all.Count)
                + PoolSize.Of(HistoryBytes)
                + FactsBytes
                + (precision == TrainingPrecision.Fp16 ? ScaleBytes : 0),
            activations
        );

    private NetworkParameters Add(double count, bool inProducts, bool oneHalfGradient)
    {
        _all.Add((count, inProducts, oneHalfGradient));
        return this;
    }
}
