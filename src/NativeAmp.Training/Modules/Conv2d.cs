using NativeAmp.Training.Quantization;

namespace NativeAmp.Training;

/// <summary>
/// 2-D convolution. Parameters: "weight" [out, in / groups, kernel, kernel] and "bias" [out]. After
/// <see cref="Quantizer.Quantize"/> with <see cref="QuantizationKind.Int8Static"/> the weight is integers and no longer
/// a parameter.
/// </summary>
public sealed class Conv2d : Module, IFusesActivation, IQuantizable
{
    private readonly Parameter _weight;
    private readonly LayerHooks _hooks = new();
    private IntegerWeight? _integers;
    private QuantizedTensor? _rounded;

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
        _weight = Register(
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
    /// <exception cref="InvalidOperationException">The layer computes with integers; see
    /// <see cref="Quantized"/>.</exception>
    public Parameter Weight =>
        _integers is null
            ? _weight
            : throw new InvalidOperationException("The layer computes with integers: its weight is in Quantized.");

    /// <summary>[out], or null.</summary>
    public Parameter? Bias { get; private set; }

    /// <summary>Stride, padding, dilation and groups.</summary>
    public Conv2dOptions Options { get; }

    /// <summary>The weight as integers; null if it is not quantised.</summary>
    public QuantizedTensor? Quantized => _integers?.Weight ?? _rounded;

    /// <summary>The codes of the input; null unless the kind is <see cref="QuantizationKind.Int8Static"/>.</summary>
    public InputCodes? InputCodes => _integers?.Input;

    /// <summary>Sizes of the weight.</summary>
    internal Shape WeightShape => _integers?.Weight.Shape ?? _weight.Shape;

    Parameter? IQuantizable.FloatWeight => _integers is null ? _weight : null;

    LayerHooks IQuantizable.Hooks => _hooks;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Forward(input, Activation.None);

    /// <summary>The layer and a ReLU in one pass.</summary>
    public Tensor Forward(Tensor input, Activation activation)
    {
        _hooks.InputSeen?.Invoke(input);
        Tensor output =
            _integers is not null ? _integers.Convolve(input, Bias, Options, activation)
            : _hooks.Rounding is { } rounding
                ? Ops.Conv2d(rounding.Input(input), rounding.Weight(_weight), Bias, Options, activation)
            : Ops.Conv2d(input, _weight, Bias, Options, activation);
        _hooks.OutputSeen?.Invoke(output);
        return output;
    }

    bool IFusesActivation.Fuses(Activation activation) => activation == Activation.Relu;

    void IQuantizable.Quantize(QuantizedTensor weight, QuantizationKind kind, InputCodes? input)
    {
        if (kind != QuantizationKind.Int8Static)
        {
            _weight.WriteMaster(weight.Dequantize());
            _rounded = weight;
            return;
        }

        _integers = new IntegerWeight(weight, kind, input, _weight.Device);
        Unregister(_weight);
        _weight.Dispose();
    }

    Device? IQuantizable.IntegersDevice => _integers?.Device;

    void IQuantizable.MoveIntegers(Device device) => _integers = _integers?.MovedTo(device);

    /// <summary>Gives a layer without a bias one of zeros, on the weight's device.</summary>
    internal Parameter RequireBias()
    {
        if (Bias is not null)
            return Bias;
        Device? device = _weight.IsOnHost ? null : _weight.Device;
        Bias = Register("bias", Create([_weight.Shape[0]], Initializers.Constant(0)));
        if (device is not null)
            Bias.MoveTo(device);
        return Bias;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _integers?.Dispose();
        base.Dispose(disposing);
    }
}
