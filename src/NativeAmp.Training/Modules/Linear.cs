using NativeAmp.Training.Quantization;

namespace NativeAmp.Training;

/// <summary>
/// input · weightᵀ + bias over the last dimension. Parameters: "weight" [out, in] and "bias" [out]. After
/// <see cref="Quantizer.Quantize"/> the weight is integers and no longer a parameter.
/// </summary>
public sealed class Linear : Module, IFusesActivation, IQuantizable
{
    private readonly Parameter _weight;
    private IntegerWeight? _integers;
    private Action<Tensor>? _outputSeen;
    private StraightThrough? _rounding;

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
        _weight = Register("weight", Create([outputs, inputs], initializer ?? byDefault, random));
        if (bias)
            Bias = Register(
                "bias",
                Create([outputs], initializer is null ? byDefault : Initializers.Constant(0), random)
            );
    }

    /// <inheritdoc cref="IQuantizable.InputSeen"/>
    internal Action<Tensor>? InputSeen { get; set; }

    /// <summary>Size of the input's last dimension.</summary>
    internal long Inputs => Quantized?.Columns ?? _weight.Shape[1];

    /// <summary>[out, in].</summary>
    /// <exception cref="InvalidOperationException">The layer is quantised; see <see cref="Quantized"/>.</exception>
    public Parameter Weight =>
        _integers is null
            ? _weight
            : throw new InvalidOperationException("The layer is quantised: its weight is in Quantized.");

    /// <summary>[out], or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>The weight as integers; null if the layer is not quantised.</summary>
    public QuantizedTensor? Quantized => _integers?.Weight;

    /// <summary>How the input becomes integers; null unless the layer's kind is
    /// <see cref="QuantizationKind.Int8Static"/>.</summary>
    public InputCodes? InputCodes => _integers?.Input;

    Parameter? IQuantizable.FloatWeight => _integers is null ? _weight : null;

    Action<Tensor>? IQuantizable.InputSeen
    {
        get => InputSeen;
        set => InputSeen = value;
    }

    StraightThrough? IQuantizable.Rounding
    {
        get => _rounding;
        set => _rounding = value;
    }

    Action<Tensor>? IQuantizable.OutputSeen
    {
        get => _outputSeen;
        set => _outputSeen = value;
    }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Forward(input, Activation.None);

    /// <summary>The layer and an activation in one pass.</summary>
    public Tensor Forward(Tensor input, Activation activation)
    {
        InputSeen?.Invoke(input);
        Tensor output =
            _integers is not null ? _integers.Multiply(input, Bias, activation)
            : _rounding is not null ? Ops.Linear(_rounding.Input(input), _rounding.Weight(_weight), Bias, activation)
            : Ops.Linear(input, _weight, Bias, activation);
        _outputSeen?.Invoke(output);
        return output;
    }

    bool IFusesActivation.Fuses(Activation activation) => activation.IsFused();

    void IQuantizable.Quantize(QuantizedTensor weight, QuantizationKind kind, InputCodes? input)
    {
        _integers = new IntegerWeight(weight, kind, input, _weight.Device);
        Unregister(_weight);
        _weight.Dispose();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _integers?.Dispose();
        base.Dispose(disposing);
    }
}
