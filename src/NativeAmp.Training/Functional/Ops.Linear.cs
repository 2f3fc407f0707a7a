using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>The linear layer.</content>
public static partial class Ops
{
    /// <summary>
    /// activation(input · weightᵀ + bias) over the last dimension: [..., in] and [out, in] give [..., out]. A
    /// low-precision operator. Bias and activation are computed in the product's epilogue.
    /// </summary>
    /// <param name="input">[..., in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out], or null.</param>
    /// <param name="activation">Applied after the bias.</param>
    public static unsafe Tensor Linear(
        Tensor input,
        Tensor weight,
        Tensor? bias = null,
        Activation activation = Activation.None
    )
    {
        Requires.FloatingPoint(input);
        Requires.FloatingPoint(weight);
        Requires.SameDevice(input, weight);
        Requires.SameDevice(input, bias);
        Requires.That(weight.Shape.Rank == 2, weight, null, "a weight is [out, in]");
        long inputs = weight.Shape[1];
        long outputs = weight.Shape[0];
        Requires.That(
            input.Shape.Rank >= 1 && input.Shape[-1] == inputs,
            input,
            weight,
            $"the input's last dimension must be the weight's {inputs}"
        );
        Requires.That(bias is null || bias.Shape == [outputs], weight, bias, $"the bias must be [{outputs}]");

        DType dtype = Precision.Of("linear", input, weight);
        if (!activation.IsFused() || !Precision.Keeps(activation, dtype))
            return ActivateApart(Linear(input, weight, bias), activation);
        var x = new Operand(input, dtype);
        var w = new Operand(weight, dtype);
        Operand? b = Operand.OrNull(bias, dtype);
        Tensor output = Tensor.Result(input.Device, dtype, input.Shape.WithLast(outputs));
        bool records = Records(input, weight, bias);
        Storage? preActivation =
            records && activation is Activation.Gelu or Activation.GeluTanh
                ? Storage.Allocate(input.Device, dtype, output.Count, MemoryKind.Activations)
                : null;

        NampGemmArgs args = Product(dtype, outputs == 0 ? 0 : output.Count / outputs, outputs, inputs);
        args.A = x.Pointer;
        args.Lda = inputs;
        args.B = w.Pointer;
        args.TransposeB = 1;
        args.Ldb = inputs;
        args.C = output.Pointer;
        args.CDtype = (int)dtype;
        args.Ldc = outputs;
        args.Bias = b is { } operand ? operand.Pointer : null;
        args.BiasDtype = (int)dtype;
        args.Activation = (int)activation;
        args.PreActivation = preActivation is null ? null : preActivation.Pointer;
        NativeOps.Gemm(input.Device, args);
        ProductLog.Note("linear", dtype, args.M, args.N, args.K);

        if (records)
            Record(new LinearNode(output, x, w, b?.Source, activation, preActivation));
        x.Release();
        w.Release();
        b?.Release();
        return output;
    }

    private sealed unsafe class LinearNode(
        Tensor output,
        Operand input,
        Operand weight,
        Tensor? bias,
        Activation activation,
        Storage? preActivation
    ) : Node("linear", output, input, weight, new Edge(bias, output.DType))
    {
        private readonly Tensor _input = input.Source;
        private readonly Tensor _weight = weight.Source;
        private readonly Saved _x = weight.Source.RequiresGrad ? input.Save() : default;
        private readonly Saved _w = input.Source.RequiresGrad ? weight.Save() : default;

        // The activation's derivative is computed from these elements.
        private readonly Saved _kept =
            activation == Activation.Relu ? new Saved(output)
            : preActivation is null ? default
            : Saved.TakeOver(preActivation, output.DType);

        protected override Saved[] SavedElements => [_x, _w, _kept];

        public override ActivationSlope? Slope =>
            activation == Activation.None ? null : new ActivationSlope(activation, _kept);

        public override void Backward()
        {
            DType dtype = Output.DType;
            long outputs = _weight.Shape[0];
            long inputs = _weight.Shape[1];
            long rows = outputs == 0 ? 0 : Output.Count / outputs;
            Storage gradient =
                activation == Activation.None || HasSlopedGradient
                    ? OutputGradient.Share()
                    : ActivationGradient(Output, OutputGradient, activation, _kept);
            if (Wants(_weight))
            {
                GradientTarget target = _weight.GradientBuffer.Open();
                DenseProduct(
                    Device,
                    dtype,
                    (outputs, inputs, rows),
                    gradient.Pointer,
                    true,
                    _x.Pointer,
                    false,
                    target,
                    _weight.Count
                );
            }

            if (bias is not null && Wants(bias))
                Kernels.Sum(Device, bias.GradientBuffer.Open(), gradient.Pointer, dtype, rows, outputs, 1);
            if (Wants(_input))
            {
                ActivationSlope? slope = TakeSlope();
                GradientTarget target = _input.GradientBuffer.Open();
                DenseProduct(
                    Device,
                    dtype,
                    (rows, inputs, outputs),
                    gradient.Pointer,
                    false,
                    _w.Pointer,
                    false,
                    target,
                    _input.Count,
                    slope
                );
            }

            gradient.Drop();
        }

        // The slope of the activation that the input came out of, if this node alone gives that a gradient, which
        // nobody reads: the product then makes the gradient before the activation, in the same pass over it.
        private ActivationSlope? TakeSlope()
        {
            if (
                _input.RetainsGradient
                || _input.GradientBuffer.HasValue
                || _input.Producer is not { Gradients: 1, Slope: { } slope } before
                || slope.Kept.DType != Output.DType
            )
            {
                return null;
            }

            before.HasSlopedGradient = true;
            return slope;
        }
    }
}
