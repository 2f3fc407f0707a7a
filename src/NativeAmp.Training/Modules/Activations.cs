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

/// <summary>x / (1 + e⁻ˣ), also called swish.</summary>
public sealed class Silu : Module, IActivation
{
    Activation IActivation.Activation => Activation.Silu;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.Silu(input);
}

/// <summary>1 / (1 + e⁻ˣ).</summary>
public sealed class Sigmoid : Module, IActivation
{
    Activation IActivation.Activation => Activation.Sigmoid;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.Sigmoid(input);
}

/// <summary>The hyperbolic tangent.</summary>
public sealed class Tanh : Module, IActivation
{
    Activation IActivation.Activation => Activation.Tanh;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Ops.Tanh(input);
}
