namespace NativeAmp.Training;

/// <summary>max(x, 0).</summary>
public sealed class Relu : Module, IActivation
{
    Activation IActivation.Activation => Activation.Relu;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.Relu(input);
}

/// <summary>x Φ(x), by the error function or by the tanh approximation.</summary>
/// <param name="tanh">Whether to use the tanh approximation.</param>
public sealed class Gelu(bool tanh = false) : Module, IActivation
{
    /// <summary>Whether it is the tanh approximation.</summary>
    public bool IsTanh => tanh;

    Activation IActivation.Activation => tanh ? Activation.GeluTanh : Activation.Gelu;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.Gelu(input, tanh);
}
