using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Pooling.</content>
public static partial class Ops
{
    /// <summary>The largest element of each window of a [batch, channels, height, width] image.</summary>
    /// <param name="input">[batch, channels, height, width].</param>
    /// <param name="kernel">The window's height and width.</param>
    /// <param name="stride">Pixels from one window to the next; 0 for the kernel's size.</param>
    /// <param name="padding">Pixels of minus infinity around the image, at most half the kernel.</param>
    public static Tensor MaxPool2d(Tensor input, int kernel, int stride = 0, int padding = 0) =>
        Pool2d(input, NampPooling.Max, kernel, stride == 0 ? kernel : stride, padding, nameof(MaxPool2d));

    /// <summary>The mean of each window of a [batch, channels, height, width] image; padding counts as zeros.</summary>
    /// <param name="input">[batch, channels, height, width].</param>
    /// <param name="kernel">The window's height and width.</param>
    /// <param name="stride">Pixels from one window to the next; 0 for the kernel's size.</param>
    /// <param name="padding">Zeros around the image, at most half the kernel.</param>
    public static Tensor AvgPool2d(Tensor input, int kernel, int stride = 0, int padding = 0) =>
        Pool2d(input, NampPooling.Average, kernel, stride == 0 ? kernel : stride, padding, nameof(AvgPool2d));

    private static unsafe Tensor Pool2d(
        Tensor input,
        NampPooling pooling,
        int kernel,
        int stride,
        int padding,
        string operation
    )
    {
        Requires.FloatingPoint(input, operation);
        Requires.That(input.Shape.Rank == 4, input, null, "it must be [batch, channels, height, width]", operation);
        Requires.That(
            kernel >= 1 && stride >= 1 && padding >= 0 && padding <= kernel / 2,
            input,
            null,
            $"kernel and stride are 1 or more and the padding at most half the kernel, but {kernel}, {stride} and "
                + $"{padding} were given",
            operation
        );
        Requires.That(
            input.Shape[2] + 2L * padding >= kernel && input.Shape[3] + 2L * padding >= kernel,
            input,
            null,
            $"the padded image must be as large as the {kernel} x {kernel} window",
            operation
        );

        Tensor given = input;
        input = Precision.Prepare(pooling == NampPooling.Max ? "max_pool2d" : "avg_pool2d", input);
        NampPool2dArgs args = NampPool2dArgs.Create();
        args.Dtype = (int)input.DType;
        args.Pooling = (int)pooling;
        args.Planes = input.Shape[0] * input.Shape[1];
        args.InH = input.Shape[2];
        args.InW = input.Shape[3];
        args.KernelH = args.KernelW = kernel;
        args.StrideH = args.StrideW = stride;
        args.PadH = args.PadW = padding;
        Shape shape =
        [
            input.Shape[0],
            input.Shape[1],
            (input.Shape[2] + 2L * padding - kernel) / stride + 1,
            (input.Shape[3] + 2L * padding - kernel) / stride + 1,
        ];
        Tensor output = Tensor.Result(input.Device, input.DType, shape);
        bool records = Records(input);
        Saved indices =
            records && pooling == NampPooling.Max
                ? Saved.TakeOver(
                    Storage.Allocate(input.Device, DType.UInt8, shape.Count, MemoryKind.Activations),
                    DType.UInt8
                )
                : default;
        args.Indices = (byte*)indices.Pointer;
        args.Input = input.Pointer;
        args.Output = output.Pointer;
        NativeOps.Pool2dForward(input.Device, args);
        if (records)
            Record(new Pool2dNode(output, input, indices, args));
        input.ReleaseIfCastOf(given);
        return output;
    }

    private sealed unsafe class Pool2dNode(Tensor output, Tensor input, Saved indices, NampPool2dArgs forward)
        : Node(forward.Pooling == (int)NampPooling.Max ? "max_pool2d" : "avg_pool2d", output, input)
    {
        protected override Saved[] SavedElements => [indices];

        public override void Backward()
        {
            NampPool2dArgs args = forward;
            var gradient = new GradientOverwrite(this, input, Output.DType);
            args.Input = null;
            args.Output = null;
            args.OutputGradient = OutputGradient.Pointer;
            args.InputGradient = gradient.Pointer;
            NativeOps.Pool2dBackward(Device, args);
            gradient.Finish();
        }
    }
}
