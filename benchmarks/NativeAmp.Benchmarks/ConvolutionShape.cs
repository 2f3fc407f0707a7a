using NativeAmp.Interop;

namespace NativeAmp.Benchmarks;

/// <summary>A convolution of square images, with a square kernel and the same stride both ways.</summary>
internal sealed record ConvolutionShape(
    int Batch,
    int In,
    int Side,
    int Out,
    int Kernel,
    int Stride,
    int Padding,
    int Groups = 1
)
{
    private int OutSide => (Side + 2 * Padding - Kernel) / Stride + 1;

    private long Inputs => (long)Batch * In * Side * Side;
    private long Weights => (long)Out * (In / Groups) * Kernel * Kernel;
    private long Outputs => (long)Batch * Out * OutSide * OutSide;

    /// <summary>Floating-point operations of any direction.</summary>
    public double Operations => 2.0 * Outputs * (In / Groups) * Kernel * Kernel;

    /// <summary>The same kind of convolution, too small to measure speed.</summary>
    public ConvolutionShape Smallest =>
        this with
        {
            Batch = 1,
            In = 2,
            Side = Kernel + 1,
            Out = 2,
            Groups = Math.Min(Groups, 2),
        };

    /// <summary>Forward, and the gradients of the images and of the weights.</summary>
    public unsafe IEnumerable<LibraryOperation> Directions() =>
        [
            new("forward", Inputs, Weights, Outputs, Forward),
            new("images", Outputs, Weights, Inputs, Images),
            new("weights", Inputs, Outputs, Weights, WeightGradients),
        ];

    public override string ToString() =>
        $"{In} to {Out}, {Kernel} x {Kernel}{(Groups > 1 ? " depthwise" : "")}, stride {Stride}, {Side} x {Side}, "
        + $"batch {Batch}";

    private unsafe void Forward(Device device, nint input, nint weight, nint output, DType type)
    {
        NampConv2dArgs args = Arguments(type);
        args.Input = (void*)input;
        args.Weight = (void*)weight;
        args.Output = (void*)output;
        NativeOps.Conv2dForward(device, args);
    }

    private unsafe void Images(Device device, nint gradient, nint weight, nint result, DType type)
    {
        NampConv2dArgs args = Arguments(type);
        args.OutputGradient = (void*)gradient;
        args.Weight = (void*)weight;
        args.InputGradient = (void*)result;
        NativeOps.Conv2dBackwardData(device, args);
    }

    private unsafe void WeightGradients(Device device, nint input, nint gradient, nint result, DType type)
    {
        NampConv2dArgs args = Arguments(type);
        args.Input = (void*)input;
        args.OutputGradient = (void*)gradient;
        args.WeightGradient = (void*)result;
        NativeOps.Conv2dBackwardWeights(device, args);
    }

    private NampConv2dArgs Arguments(DType type)
    {
        NampConv2dArgs args = NampConv2dArgs.Create();
        args.Dtype = args.WeightGradientDtype = args.BiasGradientDtype = (int)type;
        (args.Batch, args.InChannels, args.OutChannels, args.Groups) = (Batch, In, Out, Groups);
        args.InH = args.InW = Side;
        args.KernelH = args.KernelW = Kernel;
        args.StrideH = args.StrideW = Stride;
        args.PadH = args.PadW = Padding;
        args.DilationH = args.DilationW = 1;
        return args;
    }
}
