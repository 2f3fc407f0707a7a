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
    public static Tensor Linear(
        Tensor input,
        Tensor weight,
        Tensor? bias = null,
        Activation activation = Activation.None
    ) => ComputeLinear(input, weight, bias, activation, residual: null);

    /// <summary>
    /// residual + input · weightᵀ + bias for an intermediate residual that its module does not read again. It is
    /// released, and the sum takes its memory: the product is added there, and rounded once. Where something else uses
    /// that memory, or the sum has another dtype, the product and the sum are apart.
    /// </summary>
    /// <param name="residual">[..., out].</param>
    /// <param name="input">[..., in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out], or null.</param>
    /// <param name="reason">Why the residual is released, for the error if it is used later.</param>
    internal static Tensor LinearInPlace(Tensor residual, Tensor input, Tensor weight, Tensor? bias, string reason)
    {
        if (TakesProduct(residual, input, weight))
        {
            Tensor sum = ComputeLinear(input, weight, bias, Activation.None, residual);
            residual.ReleaseUnlessCallers(reason);
            return sum;
        }

        Tensor product = Linear(input, weight, bias);
        Tensor apart = AddInPlace(residual, product, reason);
        product.ReleaseUnlessCallers("it lay between a linear layer and a sum");
        return apart;
    }

    private static bool TakesProduct(Tensor residual, Tensor input, Tensor weight)
    {
        DType dtype = Precision.Of("linear", input, weight);
        return !residual.IsCallers
            && residual.Storage.IsUnshared
            && residual.DType is var own
            && (own == dtype || own == DType.Float32)
            && Precision.Of("add", residual) == own
            && weight.Shape.Rank == 2
            && input.Shape.Rank >= 1
            && residual.Shape == input.Shape.WithLast(weight.Shape[0])
            && residual.Device == input.Device;
    }

    // residual: whose memory the sum takes; or null.
    private static unsafe Tensor ComputeLinear(
        Tensor input,
        Tensor weight,
        Tensor? bias,
        Activation activation,
        Tensor? residual
    )
    {
        const string Name = nameof(Linear);
        Requires.FloatingPoint(input, Name);
        Requires.FloatingPoint(weight, Name);
        Requires.SameDevice(input, weight, Name);
        Requires.SameDevice(input, bias, Name);
        Requires.That(weight.Shape.Rank == 2, weight, null, "a weight is [out, in]", Name);
        long inputs = weight.Shape[1];
        long outputs = weight.Shape[0];
        Requires.That(
            input.Shape.Rank >= 1 && input.Shape[-1] == inputs,
            input,
            weight,
            $"the input's last dimension must be the weight's {inputs}",
            Name
        );
        Requires.That(bias is null || bias.Shape == [outputs], weight, bias, $"the bias must be [{outputs}]", Name);

        DType dtype = Precision.Of("linear", input, weight);
        if (!activation.IsFused() || !Precision.Keeps(activation, dtype))
            return ActivateApart(Linear(input, weight, bias), activation);
        var x = new Operand(input, dtype);
        var w = new Operand(weight, dtype);
        // Beside a float32 residual a float32 bias is added as it is: a product has it in the sum's dtype.
        DType biasDtype = residual is not null && bias?.DType == residual.DType ? residual.DType : dtype;
        Operand? b = Operand.OrNull(bias, biasDtype);
        Tensor output = residual is null
            ? Tensor.Result(input.Device, dtype, input.Shape.WithLast(outputs))
            : Tensor.Result(input.Device, residual.DType, residual.Shape, residual.Storage.Share());
        bool records = Records(input, weight, bias) || (residual is not null && Records(residual));
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
        args.CDtype = (int)output.DType;
        args.Ldc = outputs;
        args.Beta = residual is null ? 0 : 1;
        args.Bias = b is { } operand ? operand.Pointer : null;
        args.BiasDtype = (int)biasDtype;
        args.Activation = (int)activation;
        args.PreActivation = preActivation is null ? null : preActivation.Pointer;
        NativeOps.Gemm(input.Device, args);
        ProductLog.Note("linear", dtype, args.M, args.N, args.K);

        if (records)
            Record(new LinearNode(output, x, w, b?.Source, activation, preActivation, residual));
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
        Storage? preActivation,
        Tensor? residual
    ) : Node("linear", output, input, weight, new Edge(bias, weight.DType), residual)
    {
        private readonly DType _dtype = weight.DType;
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

        public override DType? CopiedGradientType => residual is null ? null : _dtype;

        public override ActivationSlope? Slope =>
            activation == Activation.None ? null : new ActivationSlope(activation, _kept);

        public override void Backward()
        {
            DType dtype = _dtype;
            long outputs = _weight.Shape[0];
            long inputs = _weight.Shape[1];
            long rows = outputs == 0 ? 0 : Output.Count / outputs;
            if (Wants(residual))
                residual!.GradientBuffer.Accept(OutputGradient.Share(), Output.DType);
            if (!Wants(_weight) && !Wants(bias) && !Wants(_input))
                return;
            Storage gradient = ProductGradient();
            GradientTarget? biasTarget = Wants(bias) ? bias!.GradientBuffer.Open() : null;
            if (Wants(_weight))
            {
                GradientTarget target = _weight.GradientBuffer.Open();
                // The product reads what the bias's gradient is the sum of.
                bool sums = biasTarget is { Accumulate: false } of && of.DType == target.DType && _weight.Count > 0;
                DenseProduct(
                    Device,
                    dtype,
                    (outputs, inputs, rows),
                    gradient.Pointer,
                    true,
                    _x.Pointer,
                    false,
                    target,
                    _weight.Count,
                    rowSums: sums ? biasTarget!.Value.Pointer : null
                );
                if (sums)
                    biasTarget = null;
            }

            if (biasTarget is { } left)
                Kernels.Sum(Device, left, gradient.Pointer, dtype, rows, outputs, 1);
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

        // The gradient of product and bias, in the product's dtype.
        private Storage ProductGradient()
        {
            if (activation != Activation.None && !HasSlopedGradient)
                return ActivationGradient(Output, OutputGradient, activation, _kept);
            if (Output.DType == _dtype)
                return OutputGradient.Share();
            if (TakeGradientCopy() is { } copy)
                return copy;
            Storage cast = Storage.Allocate(Device, _dtype, Output.Count, MemoryKind.Gradients);
            Kernels.Cast(Device, cast.Pointer, _dtype, OutputGradient.Pointer, Output.DType, Output.Count);
            return cast;
        }

        // The slope of the activation that the input came out of, if this node alone gives that a gradient, which
        // nobody reads: the product then makes the gradient before the activation, in the same pass over it.
        private ActivationSlope? TakeSlope()
        {
            if (
                _input.RetainsGradient
                || _input.GradientBuffer.HasValue
                || _input.Producer is not { Gradients: 1, Slope: { } slope } before
                || slope.Kept.DType != _dtype
            )
            {
                return null;
            }

            before.HasSlopedGradient = true;
            return slope;
        }
    }
}
