using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Softmax and argmax over rows.</content>
public static partial class Ops
{
    /// <summary>Softmax over the last dimension, computed in float32 from any dtype.</summary>
    public static unsafe Tensor Softmax(Tensor input)
    {
        Requires.FloatingPoint(input);
        Requires.That(input.Shape.Rank >= 1 && input.Shape[-1] >= 1, input, null, "its rows must have an element");
        DType dtype = Precision.Of("softmax", input);
        Tensor output = Tensor.Result(input.Device, dtype, input.Shape);
        NampSoftmaxArgs args = NampSoftmaxArgs.Create();
        args.InputDtype = (int)input.DType;
        args.OutputDtype = (int)dtype;
        args.Width = input.Shape[-1];
        args.Rows = args.Width == 0 ? 0 : input.Count / args.Width;
        args.Input = input.Pointer;
        args.Output = output.Pointer;
        NativeOps.SoftmaxForward(input.Device, args);
        if (!Records(input))
            return output;
        return Record(new SoftmaxNode(output, input, args));
    }

    /// <summary>
    /// The int32 index of the largest element of each row of the last dimension. Among equal elements it is the first.
    /// A NaN counts as the largest.
    /// </summary>
    public static unsafe Tensor ArgMax(Tensor input)
    {
        Requires.FloatingPoint(input);
        Requires.That(input.Shape.Rank >= 1 && input.Shape[-1] >= 1, input, null, "its rows must have an element");
        Tensor output = Tensor.Result(input.Device, DType.Int32, new Shape(input.Shape.Dimensions[..^1]));
        NativeOps.Argmax(
            input.Device,
            (nint)output.Pointer,
            (nint)input.Pointer,
            input.DType,
            output.Count,
            input.Shape[-1]
        );
        GC.KeepAlive(input);
        return output;
    }

    private sealed unsafe class SoftmaxNode(Tensor output, Tensor input, NampSoftmaxArgs forward)
        : Node("softmax", output, input)
    {
        private readonly Saved _y = new(output);

        protected override Saved[] SavedElements => [_y];

        public override void Backward()
        {
            NampSoftmaxArgs args = forward;
            var gradient = new GradientOverwrite(this, input, input.DType);
            args.Input = null;
            args.OutputGradient = OutputGradient.Pointer;
            args.InputGradient = gradient.Pointer;
            NativeOps.SoftmaxBackward(Device, args);
            gradient.Finish();
        }
    }
}
