using NativeAmp.Interop;

namespace NativeAmp.Training.Quantization;

/// <content>Convolutions of integers.</content>
internal sealed unsafe partial class IntegerWeight
{
    /// <summary>activation(convolution + bias), as <see cref="Ops.Conv2d"/>, without a gradient.</summary>
    /// <param name="input">[batch, in, height, width].</param>
    /// <param name="bias">[out], or null.</param>
    /// <param name="options">Stride, padding, dilation and groups.</param>
    /// <param name="activation">None or ReLU.</param>
    public Tensor Convolve(Tensor input, Parameter? bias, Conv2dOptions options, Activation activation)
    {
        const string operation = nameof(Ops.Conv2d);
        InputCodes known = Input!;
        Check(input, bias, operation);
        Shape weight = Weight.Shape;
        long channels = weight[1] * options.Groups;
        Requires.That(
            input.Shape.Rank == 4 && input.Shape[1] == channels,
            input,
            null,
            $"the input must be [batch, {channels}, height, width]",
            operation
        );
        (long height, long width) = Ops.ConvolvedSizes(input.Shape, weight, options);
        Requires.That(
            height >= 1 && width >= 1,
            input,
            null,
            "the padded image must be as large as the dilated kernel",
            operation
        );
        DType dtype = Precision.Of("conv2d", input);
        Tensor output = Tensor.Result(Device, dtype, [input.Shape[0], weight[0], height, width]);
        Storage codes = Storage.Allocate(Device, DType.UInt8, input.Count, MemoryKind.Workspace);
        QuantizeTensor(input, known, codes);
        NampInt8Conv2dArgs args = NampInt8Conv2dArgs.Create();
        args.Dtype = (int)dtype;
        args.Batch = input.Shape[0];
        args.InChannels = input.Shape[1];
        args.InH = input.Shape[2];
        args.InW = input.Shape[3];
        args.OutChannels = weight[0];
        args.KernelH = weight[2];
        args.KernelW = weight[3];
        args.StrideH = args.StrideW = options.Stride;
        args.PadH = args.PadW = options.Padding;
        args.DilationH = args.DilationW = options.Dilation;
        args.Groups = options.Groups;
        args.Input = (sbyte*)codes.Pointer;
        args.Weight = _codes.Pointer;
        args.WeightBytes = _bytes;
        args.WeightScales = (float*)_scales!.Pointer;
        args.Bias = bias is null ? null : (float*)bias.Pointer;
        args.Output = output.Pointer;
        args.Scale = known.Scale;
        args.ZeroPoint = known.ZeroPoint;
        args.Activation = (int)activation;
        NativeOps.Int8Conv2d(Device, args);
        GC.KeepAlive(bias);
        codes.Drop();
        return output;
    }
}
