using NativeAmp.Training.Quantization;

namespace NativeAmp.Training;

/// <summary>2-D convolution. Parameters: "weight" [out, in / groups, kernel, kernel] and "bias" [out].</summary>
public sealed class Conv2d : Module, IFusesActivation, IQuantizable
{
    /// <summary>A layer with PyTorch's initial values, or those of an initializer and a bias of zeros.</summary>
    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="kernel">Height and width of the kernel.</param>
    /// <param name="stride">Pixels from one position to the next.</param>
    /// <param name="padding">Zeros around the image.</param>
    /// <param name="dilation">Pixels from one of the kernel's weights to the next.</param>
    /// <param name="groups">Number of channel groups.</param>
    /// <param name="bias">Whether the layer has a bias.</param>
    /// <param name="initializer">Draws the weight; null for PyTorch's default, which draws the bias too.</param>
    /// <param name="random">The generator of the values; null for <see cref="RandomGenerator.Default"/>.</param>
    public Conv2d(
        int inChannels,
        int outChannels,
        int kernel,
        int stride = 1,
        int padding = 0,
        int dilation = 1,
        int groups = 1,
        bool bias = true,
        Initializer? initializer = null,
        RandomGenerator? random = null
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(inChannels);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(outChannels);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(kernel);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(stride);
        ArgumentOutOfRangeException.ThrowIfNegative(padding);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(dilation);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(groups);
        if (inChannels % groups != 0 || outChannels % groups != 0)
            throw new ArgumentException(
                $"{groups} groups do not divide {inChannels} input and {outChannels} output channels.",
                nameof(groups)
            );
        Options = new Conv2dOptions(stride, padding, dilation, groups);
        int groupChannels = inChannels / groups;
        Initializer byDefault = Initializers.PyTorchDefault((long)groupChannels * kernel * kernel);
        Weight = Register(
            "weight",
            Create([outChannels, groupChannels, kernel, kernel], initializer ?? byDefault, random)
        );
        if (bias)
            Bias = Register(
                "bias",
                Create([outChannels], initializer is null ? byDefault : Initializers.Constant(0), random)
            );
    }

    /// <summary>[out, in / groups, kernel, kernel].</summary>
    public Parameter Weight { get; }

    /// <summary>[out], or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>Stride, padding, dilation and groups.</summary>
    public Conv2dOptions Options { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.Conv2d(input, Weight, Bias, Options);

    /// <summary>The layer and a ReLU in one pass.</summary>
    public Tensor Forward(Tensor input, Activation activation) => Ops.Conv2d(input, Weight, Bias, Options, activation);

    /// <summary>The weight as integers, whose values <see cref="Weight"/> has; null if it is not quantised.</summary>
    public QuantizedTensor? Quantized { get; private set; }

    bool IFusesActivation.Fuses(Activation activation) => activation == Activation.Relu;

    void IQuantizable.Quantize(QuantizedTensor weight, QuantizationKind kind)
    {
        Weight.WriteMaster(weight.Dequantize());
        Quantized = weight;
    }
}
