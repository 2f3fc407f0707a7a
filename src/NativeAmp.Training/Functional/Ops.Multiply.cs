using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Products of tensors, element by element.</content>
public static partial class Ops
{
    /// <summary>
    /// a · b, element by element, in the widest of their dtypes. Shapes meet as in <see cref="Add"/>. A gated layer is
    /// <c>Multiply(Silu(gate), up)</c>.
    /// </summary>
    public static unsafe Tensor Multiply(Tensor a, Tensor b)
    {
        if (!Requires.IsRepeated(a, b))
            return b.Shape.Count > a.Shape.Count && a.Shape.IsSuffixOf(b.Shape)
                ? Multiply(b, a)
                : OfTwo(a, b, "multiply", NampFunction.Multiply, nameof(Multiply));
        DType dtype = Precision.Of("multiply", a, b);
        (Tensor givenA, Tensor givenB) = (a, b);
        (a, b) = (Cast(a, dtype), Cast(b, dtype));
        Tensor output = Tensor.Result(a.Device, dtype, a.Shape);
        if (a.Count > 0)
            Product(a.Device, output.Pointer, dtype, a.Pointer, b.Pointer, a.Count, b.Count);
        if (Records(a, b))
            Record(new ProductNode(output, a, b));
        a.ReleaseIfCastOf(givenA);
        b.ReleaseIfCastOf(givenB);
        return output;
    }

    // out[i] = a[i] b[i % period].
    private static unsafe void Product(
        Device device,
        void* output,
        DType dtype,
        void* a,
        void* b,
        long count,
        long period
    )
    {
        NampMultiplyArgs args = NampMultiplyArgs.Create();
        args.Dtype = (int)dtype;
        args.Count = count;
        args.BPeriod = period;
        args.Out = output;
        args.A = a;
        args.B = b;
        NativeOps.Multiply(device, args);
    }

    private sealed unsafe class ProductNode(Tensor output, Tensor a, Tensor b) : Node("multiply", output, a, b)
    {
        // Each is a factor of the other's gradient.
        private readonly Saved _a = b.RequiresGrad ? new Saved(a) : default;
        private readonly Saved _b = a.RequiresGrad ? new Saved(b) : default;

        protected override Saved[] SavedElements => [_a, _b];

        public override void Backward()
        {
            if (Wants(a))
                a.GradientBuffer.Accept(OutputTimes(_b, b.Count), Output.DType);
            if (!Wants(b))
                return;
            Storage whole = OutputTimes(_a, a.Count);
            if (b.Count == a.Count)
            {
                b.GradientBuffer.Accept(whole, Output.DType);
                return;
            }

            if (b.Count > 0)
                Kernels.Sum(
                    Device,
                    b.GradientBuffer.Open(),
                    whole.Pointer,
                    Output.DType,
                    a.Count / b.Count,
                    b.Count,
                    1,
                    1
                );
            whole.Drop();
        }

        private Storage OutputTimes(Saved factor, long period)
        {
            Storage gradient = Storage.Allocate(Device, Output.DType, Output.Count, MemoryKind.Gradients);
            if (Output.Count > 0)
                Product(
                    Device,
                    gradient.Pointer,
                    Output.DType,
                    OutputGradient.Pointer,
                    factor.Pointer,
                    Output.Count,
                    period
                );
            return gradient;
        }
    }
}
