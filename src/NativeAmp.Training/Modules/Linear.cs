using NativeAmp.Training.Quantization;

namespace NativeAmp.Training;

/// <summary>
/// input · weightᵀ + bias over the last dimension. Parameters: "weight" [out, in] and "bias" [out]. After
/// <see cref="Quantizer.Quantize"/> the weight is integers and no longer a parameter.
/// </summary>
public sealed class Linear : Module, IFusesActivation, IQuantizable
{
    private readonly Parameter _weight;
    private readonly LayerHooks _hooks = new();
    private IntegerWeight? _integers;

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

    /// <summary>How the layer computes with its integers; null if it is not quantised.</summary>
    public QuantizationKind? QuantizedAs => _integers?.Kind;

    /// <summary>The codes of the input; null unless the kind is <see cref="QuantizationKind.Int8Static"/>.</summary>
    public InputCodes? InputCodes => _integers?.Input;

    Parameter? IQuantizable.FloatWeight => _integers is null ? _weight : null;

    LayerHooks IQuantizable.Hooks => _hooks;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Forward(input, Activation.None);

    /// <summary>The layer and an activation in one pass.</summary>
    public Tensor Forward(Tensor input, Activation activation)
    {
        _hooks.InputSeen?.Invoke(input);
        Tensor output =
            _integers is not null ? _integers.Multiply(input, Bias, activation)
            : _hooks.Rounding is { } rounding
                ? Ops.Linear(rounding.Input(input), rounding.Weight(_weight), Bias, activation)
            : Ops.Linear(input, _weight, Bias, activation);
        _hooks.OutputSeen?.Invoke(output);
        return output;
    }

    /// <summary>
    /// <see cref="Module.Call"/>, added to a residual if there is one: an intermediate that is not read afterwards and
    /// whose memory the sum takes, in one pass if possible.
    /// </summary>
    internal Tensor CallAfter(Tensor? residual, Tensor input, string reason)
    {
        if (residual is null)
            return Call(input);
        using ObserverFrame.ModuleScope scope = ObserverFrame.Enter(this);
        // Rounding, and a hook on outputs, need the product by itself.
        if (_integers is null && _hooks is { Rounding: null, OutputSeen: null })
        {
            _hooks.InputSeen?.Invoke(input);
            return Ops.LinearInPlace(residual, input, _weight, Bias, reason);
        }

        Tensor output = Forward(input);
        Tensor sum = Ops.AddInPlace(residual, output, reason);
        output.ReleaseUnlessCallers(reason);
        return sum;
    }

    bool IFusesActivation.Fuses(Activation activation) => activation.IsFused();

    void IQuantizable.Quantize(QuantizedTensor weight, QuantizationKind kind, InputCodes? input)
    {
        _integers = new IntegerWeight(weight, kind, input, _weight.Device);
        Unregister(_weight);
        _weight.Dispose();
    }

    Device? IQuantizable.IntegersDevice => _integers?.Device;

    void IQuantizable.MoveIntegers(Device device) => _integers = _integers?.MovedTo(device);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _integers?.Dispose();
        base.Dispose(disposing);
    }
}
