using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <summary>Stride, padding, dilation and groups of a convolution. They are the same in both directions.</summary>
/// <param name="Stride">Pixels from one position to the next, 1 or more.</param>
/// <param name="Padding">Zeros around the image, 0 or more.</param>
/// <param name="Dilation">Pixels from one of the kernel's weights to the next, 1 or more.</param>
/// <param name="Groups">Number of channel groups, 1 or more.</param>
public readonly record struct Conv2dOptions(int Stride = 1, int Padding = 0, int Dilation = 1, int Groups = 1)
{
    /// <summary>Stride 1, no padding, no dilation, one group.</summary>
    public Conv2dOptions()
        : this(1) { }
}

/// <content>Convolutions.</content>
public static partial class Ops
{
    /// <summary>
    /// activation(2-D cross-correlation + bias) over [batch, in, height, width], like PyTorch's conv2d. A low-precision
    /// operator.
    /// </summary>
    /// <param name="input">[batch, in, height, width].</param>
    /// <param name="weight">[out, in / groups, kernel height, kernel width].</param>
    /// <param name="bias">[out], or null.</param>
    /// <param name="options">Stride, padding, dilation and groups.</param>
    /// <param name="activation">Applied after the bias: none or ReLU.</param>
    public static unsafe Tensor Conv2d(
        Tensor input,
        Tensor weight,
        Tensor? bias,
        Conv2dOptions options,
        Activation activation = Activation.None
    )
    {
        Requires.FloatingPoint(input);
        Requires.FloatingPoint(weight);
        Requires.SameDevice(input, weight);
        Requires.SameDevice(input, bias);
        if (activation is not (Activation.None or Activation.Relu))
            throw new ArgumentException(
                $"A convolution computes ReLU in its epilogue, not {activation}.",
                nameof(activation)
            );
        Requires.That(
            input.Shape.Rank == 4 && weight.Shape.Rank == 4,
            input,
            weight,
            "the input must be [batch, in, height, width] and the weight [out, in / groups, height, width]"
        );
        Requires.That(
            options is { Stride: >= 1, Padding: >= 0, Dilation: >= 1, Groups: >= 1 },
            input,
            weight,
            $"stride, dilation and groups are 1 or more and padding is not negative, but {options} was given"
        );
        Requires.That(
            input.Shape[1] == weight.Shape[1] * options.Groups && weight.Shape[0] % options.Groups == 0,
            input,
            weight,
            $"with {options.Groups} group(s) the input needs {weight.Shape[1] * options.Groups} channels, and the "
                + "groups divide the outputs"
        );
        Requires.That(
            bias is null || bias.Shape == [weight.Shape[0]],
            weight,
            bias,
            $"the bias must be [{weight.Shape[0]}]"
        );
        (long height, long width) = ConvolvedSizes(input.Shape, weight.Shape, options);
        Requires.That(
            height >= 1 && width >= 1,
            input,
            weight,
            "the padded image must be as large as the dilated kernel"
        );

        DType dtype = Precision.Of("conv2d", input, weight);
        if (!Precision.Keeps(activation, dtype))
            return ActivateApart(Conv2d(input, weight, bias, options), activation);
        var x = new Operand(input, dtype);
        var w = new Operand(weight, dtype);
        Operand? b = Operand.OrNull(bias, dtype);
        Tensor output = Tensor.Result(input.Device, dtype, [input.Shape[0], weight.Shape[0], height, width]);
        NampConv2dArgs args = Convolution(dtype, input.Shape, weight.Shape, options);
        args.Input = x.Pointer;
        args.Weight = w.Pointer;
        args.Bias = b is { } operand ? operand.Pointer : null;
        args.Output = output.Pointer;
        args.Activation = (int)activation;
        NativeOps.Conv2dForward(input.Device, args);
        long channels = weight.Shape[1];
        ProductLog.Note(
            "conv2d",
            dtype,
            args.Batch * height * width,
            args.OutChannels / args.Groups,
            channels * args.KernelH * args.KernelW,
            args.Groups,
            channels
        );

        if (Records(input, weight, bias))
            Record(new Conv2dNode(output, x, w, b?.Source, options, activation));
        x.Release();
        w.Release();
        b?.Release();
        return output;
    }

    /// <summary>Height and width of the output; less than 1 where the kernel is larger than the padded image.</summary>
    internal static (long Height, long Width) ConvolvedSizes(Shape input, Shape weight, Conv2dOptions options) =>
        (ConvolvedSize(input[2], weight[2], options), ConvolvedSize(input[3], weight[3], options));

    private static long ConvolvedSize(long size, long kernel, Conv2dOptions options)
    {
        long room = size + 2L * options.Padding - options.Dilation * (kernel - 1) - 1;
        return room < 0 ? 0 : room / options.Stride + 1;
    }

    private static NampConv2dArgs Convolution(DType dtype, Shape input, Shape weight, Conv2dOptions options)
    {
        NampConv2dArgs args = NampConv2dArgs.Create();
        args.Dtype = (int)dtype;
        args.Batch = input[0];
        args.InChannels = input[1];
        args.InH = input[2];
        args.InW = input[3];
        args.OutChannels = weight[0];
        args.KernelH = weight[2];
        args.KernelW = weight[3];
        args.StrideH = args.StrideW = options.Stride;
        args.PadH = args.PadW = options.Padding;
        args.DilationH = args.DilationW = options.Dilation;
        args.Groups = options.Groups;
        return args;
    }

    private sealed unsafe class Conv2dNode(
        Tensor output,
        Operand input,
        Operand weight,
        Tensor? bias,
        Conv2dOptions options,
        Activation activation
    ) : Node("conv2d", output, input, weight, new Edge(bias, output.DType))
    {
        private readonly Tensor _input = input.Source;
        private readonly Tensor _weight = weight.Source;
        private readonly Saved _x =
            weight.Source.RequiresGrad || bias is { RequiresGrad: true } ? input.Save() : default;
        private readonly Saved _w = input.Source.RequiresGrad ? weight.Save() : default;
        private readonly Saved _kept = activation == Activation.Relu ? new Saved(output) : default;

        protected override Saved[] SavedElements => [_x, _w, _kept];

        public override void Backward()
        {
            DType dtype = Output.DType;
            Storage gradient =
                activation == Activation.None
                    ? OutputGradient.Share()
                    : ActivationGradient(Output, OutputGradient, activation, _kept);
            NampConv2dArgs args = Convolution(dtype, _input.Shape, _weight.Shape, options);
            args.Input = _x.Pointer;
            args.Weight = _w.Pointer;
            args.OutputGradient = gradient.Pointer;
            if (Wants(_weight) || Wants(bias))
                BackwardWeights(ref args, dtype);
            if (Wants(_input))
            {
                var inputGradient = new GradientOverwrite(this, _input, dtype);
                args.InputGradient = inputGradient.Pointer;
                NativeOps.Conv2dBackwardData(Device, args);
                inputGradient.Finish();
            }

            gradient.Drop();
        }

        private void BackwardWeights(ref NampConv2dArgs args, DType dtype)
        {
            var weightGradient = new GradientOverwrite(this, _weight, dtype, always: true);
            var biasGradient = new GradientOverwrite(this, bias, dtype);
            args.WeightGradient = weightGradient.Pointer;
            args.WeightGradientDtype = (int)dtype;
            args.BiasGradient = biasGradient.Pointer;
            args.BiasGradientDtype = (int)dtype;
            NativeOps.Conv2dBackwardWeights(Device, args);
            weightGradient.Finish();
            biasGradient.Finish();
        }
    }
}
