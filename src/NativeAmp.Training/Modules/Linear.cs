namespace NativeAmp.Training;

/// <summary>input · weightᵀ + bias over the last dimension. Parameters: "weight" [out, in] and "bias" [out].</summary>
public sealed class Linear : Module, IFusesActivation
{
    /// <summary>A layer with PyTorch's initial values, or those of an initializer and a bias of zeros.</summary>
    /// <param name="inputs">Size of the input's last dimension.</param>
    /// <param name="outputs">Size of the output's last dimension.</param>
    /// <param name="bias">Whether the layer has a bias.</param>
    /// <param name="initializer">Draws the weight; null for PyTorch's default, which draws the bias too.</param>
    /// <param name="random">The generator of the values; null for <see cref="RandomGenerator.Default"/>.</param>
    public Linear(
        int inputs,
        int outputs,
        bool bias = true,
        Initializer? initializer = null,
        RandomGenerator? random = null
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(inputs);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(outputs);
        Initializer byDefault = Initializers.PyTorchDefault(inputs);
        Weight = Register("weight", Create([outputs, inputs], initializer ?? byDefault, random));
        if (bias)
            Bias = Register(
                "bias",
                Create([outputs], initializer is null ? byDefault : Initializers.Constant(0), random)
            );
    }

    /// <summary>[out, in].</summary>
    public Parameter Weight { get; }

    /// <summary>[out], or null.</summary>
    public Parameter? Bias { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.Linear(input, Weight, Bias);

    /// <summary>The layer and an activation in one pass.</summary>
    public Tensor Forward(Tensor input, Activation activation) => Ops.Linear(input, Weight, Bias, activation);

    bool IFusesActivation.Fuses(Activation activation) => true;
}
