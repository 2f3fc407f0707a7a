using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Operators of two tensors that are broadcast to one shape.</content>
public static partial class Ops
{
    /// <summary>
    /// a / b, element by element, in the widest of their dtypes. Shapes meet by NumPy's rules: from the last dimension
    /// on, sizes are the same, or one of them is 1 and repeats.
    /// </summary>
    public static Tensor Divide(Tensor a, Tensor b) => OfTwo(a, b, "divide", NampFunction.Divide, nameof(Divide));

    private static unsafe Tensor OfTwo(
        Tensor a,
        Tensor b,
        string operation,
        NampFunction function,
        string name,
        float p = 1,
        float q = 1
    )
    {
        Requires.FloatingPoint(a, name);
        Requires.FloatingPoint(b, name);
        Requires.SameDevice(a, b, name);
        Shape shape = Broadcast.Of(a, b, name);
        Tensor output = Tensor.Result(a.Device, Precision.Of(operation, a, b), shape);
        Kernels.Map(
            a.Device,
            function,
            shape,
            Strided.Dense(output.Pointer, output.DType, shape),
            Broadcast.View(a, shape),
            Broadcast.View(b, shape),
            p,
            q
        );
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        return Records(a, b) ? Record(new OfTwoNode(operation, output, a, b, function, p, q)) : output;
    }

    private sealed unsafe class OfTwoNode(
        string operation,
        Tensor output,
        Tensor a,
        Tensor b,
        NampFunction function,
        float p,
        float q
    ) : Node(operation, output, a, b)
    {
        private readonly Saved _a = function == NampFunction.Multiply && b.RequiresGrad ? new Saved(a) : default;
        private readonly Saved _b =
            function == NampFunction.Divide || (function == NampFunction.Multiply && a.RequiresGrad)
                ? new Saved(b)
                : default;
        private readonly Saved _output =
            function == NampFunction.Divide && b.RequiresGrad ? new Saved(output) : default;

        protected override Saved[] SavedElements => [_a, _b, _output];

        public override void Backward()
        {
            if (Wants(a))
                Give(a, function, p, _b.Pointer is null ? null : Broadcast.View(b, _b.Pointer, _b.DType, Output.Shape));
            if (!Wants(b))
                return;
            if (function != NampFunction.Divide)
            {
                Give(b, function, q, _a.Pointer is null ? null : Broadcast.View(a, _a.Pointer, _a.DType, Output.Shape));
                return;
            }

            // The slope of a / b by b is -(a / b) / b.
            Storage product = Storage.Allocate(Device, DType.Float32, Output.Count, MemoryKind.Workspace);
            Strided times = Strided.Dense(product.Pointer, DType.Float32, Output.Shape);
            Kernels.Map(
                Device,
                NampFunction.Multiply,
                Output.Shape,
                times,
                Strided.Dense(OutputGradient.Pointer, Output.DType, Output.Shape),
                Strided.Dense(_output.Pointer, _output.DType, Output.Shape)
            );
            Give(b, function, -p, Broadcast.View(b, _b.Pointer, _b.DType, Output.Shape), times);
            product.Drop();
        }

        // Gives an operand its gradient: the output's, or another one, times a factor and times (or over) the other
        // operand. Of as many elements as the output has, none repeats.
        private void Give(Tensor operand, NampFunction with, float factor, Strided? other, Strided? from = null)
        {
            Shape shape = Output.Shape;
            Strided gradient = from ?? Strided.Dense(OutputGradient.Pointer, Output.DType, shape);
            NampFunction slope = with == NampFunction.Add ? NampFunction.Scale : with;
            if (operand.Count == shape.Count)
            {
                var target = new GradientOverwrite(this, operand, operand.DType);
                Write(Strided.Dense(target.Pointer, target.DType, shape));
                target.Finish();
                return;
            }

            if (slope == NampFunction.Scale)
            {
                Broadcast.SumTo(operand, gradient.Data, gradient.DType, shape, factor);
                return;
            }

            Storage whole = Storage.Allocate(Device, DType.Float32, Output.Count, MemoryKind.Workspace);
            Write(Strided.Dense(whole.Pointer, DType.Float32, shape));
            Broadcast.SumTo(operand, whole.Pointer, DType.Float32, shape, 1);
            whole.Drop();

            void Write(Strided to) => Kernels.Map(Device, slope, shape, to, gradient, other ?? gradient, factor);
        }
    }
}
