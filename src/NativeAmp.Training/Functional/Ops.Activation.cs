using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Activations.</content>
public static partial class Ops
{
    /// <summary>max(x, 0), element by element.</summary>
    public static Tensor Relu(Tensor input) => Activate(input, Activation.Relu);

    /// <summary>x Φ(x), element by element, by the error function or by the tanh approximation.</summary>
    public static Tensor Gelu(Tensor input, bool tanh = false) =>
        Activate(input, tanh ? Activation.GeluTanh : Activation.Gelu);

    /// <summary>x / (1 + e⁻ˣ), element by element; also called swish.</summary>
    public static Tensor Silu(Tensor input) => Activate(input, Activation.Silu);

    /// <summary>1 / (1 + e⁻ˣ), element by element.</summary>
    public static Tensor Sigmoid(Tensor input) => Activate(input, Activation.Sigmoid);

    /// <summary>The hyperbolic tangent, element by element.</summary>
    public static Tensor Tanh(Tensor input) => Activate(input, Activation.Tanh);

    /// <summary>An activation, element by element.</summary>
    public static unsafe Tensor Activate(Tensor input, Activation activation)
    {
        Requires.FloatingPoint(input);
        if (activation == Activation.None)
            return input;
        Tensor given = input;
        input = Precision.Prepare(Precision.NameOf(activation), input);
        Tensor output = Tensor.Result(input.Device, input.DType, input.Shape);
        NampActivationArgs args = NampActivationArgs.Create();
        args.Activation = (int)activation;
        args.Dtype = (int)input.DType;
        args.Count = input.Count;
        args.Input = input.Pointer;
        args.Output = output.Pointer;
        NativeOps.ActivationForward(input.Device, args);
        Tensor result = Records(input) ? Record(new ActivationNode(output, input, activation)) : output;
        input.ReleaseIfCastOf(given);
        return result;
    }

    /// <summary>
    /// An activation in another dtype than the operator before it. That operator's output is not used elsewhere.
    /// </summary>
    private static Tensor ActivateApart(Tensor input, Activation activation)
    {
        Tensor output = Activate(input, activation);
        input.Release("it lay between an operator and its activation");
        return output;
    }

    /// <summary>
    /// The gradient before an activation, computed from the gradient after it; in place if nothing else uses that.
    /// </summary>
    /// <param name="output">The activation's output, for its shape and dtype.</param>
    /// <param name="outputGradient">The gradient after the activation.</param>
    /// <param name="activation">The function.</param>
    /// <param name="kept">
    /// The elements of the activation's output if it <see cref="ActivationFacts.SavesOutput"/>, else of its input.
    /// </param>
    private static unsafe Storage ActivationGradient(
        Tensor output,
        Storage outputGradient,
        Activation activation,
        Saved kept
    )
    {
        Storage gradient = outputGradient.IsUnshared
            ? outputGradient.Share()
            : Storage.Allocate(output.Device, output.DType, output.Count, MemoryKind.Gradients);
        NampActivationArgs args = NampActivationArgs.Create();
        args.Activation = (int)activation;
        args.Dtype = (int)output.DType;
        args.Count = output.Count;
        args.Input = kept.Pointer;
        args.Output = kept.Pointer;
        args.OutputGradient = outputGradient.Pointer;
        args.InputGradient = gradient.Pointer;
        NativeOps.ActivationBackward(output.Device, args);
        return gradient;
    }

    private sealed class ActivationNode(Tensor output, Tensor input, Activation activation)
        : Node(Precision.NameOf(activation), output, input)
    {
        private readonly Saved _kept = new(activation.SavesOutput() ? output : input);

        protected override Saved[] SavedElements => [_kept];

        public override void Backward() =>
            input.GradientBuffer.Accept(ActivationGradient(Output, OutputGradient, activation, _kept), Output.DType);
    }
}
