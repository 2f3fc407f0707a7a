using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Sums of tensors.</content>
public static partial class Ops
{
    /// <summary>
    /// alpha · a + beta · b, in the widest of their dtypes. Shapes meet by NumPy's rules: from the last dimension on,
    /// sizes are the same, or one of them is 1 and repeats (a bias, positions).
    /// </summary>
    public static Tensor Add(Tensor a, Tensor b, float alpha = 1, float beta = 1) =>
        AddScaled(a, b, alpha, beta, mayOverwrite: false);

    /// <summary>
    /// a + b for an intermediate a that its module does not read again. It is released, and the sum takes its memory
    /// unless something else uses that.
    /// </summary>
    /// <param name="a">The first term.</param>
    /// <param name="b">As in <see cref="Add"/>.</param>
    /// <param name="reason">Why a is released, for the error if it is used later.</param>
    internal static Tensor AddInPlace(Tensor a, Tensor b, string reason)
    {
        Tensor sum = AddScaled(a, b, 1, 1, mayOverwrite: !a.IsCallers && a.Storage.IsUnshared);
        a.ReleaseUnlessCallers(reason);
        return sum;
    }

    private static unsafe Tensor AddScaled(Tensor a, Tensor b, float alpha, float beta, bool mayOverwrite)
    {
        if (!Requires.IsRepeated(a, b, nameof(Add)))
            return b.Shape.Count > a.Shape.Count && a.Shape.IsSuffixOf(b.Shape)
                ? AddScaled(b, a, beta, alpha, mayOverwrite: false)
                : OfTwo(a, b, "add", NampFunction.Add, nameof(Add), alpha, beta);
        DType dtype = Precision.Of("add", a, b);
        Tensor output =
            mayOverwrite && a.DType == dtype
                ? Tensor.Result(a.Device, dtype, a.Shape, a.Storage.Share())
                : Tensor.Result(a.Device, dtype, a.Shape);
        if (a.Count > 0)
            Kernels.Add(
                a.Device,
                output.Pointer,
                dtype,
                a.Pointer,
                a.DType,
                alpha,
                b.Pointer,
                b.DType,
                beta,
                a.Count,
                b.Count
            );
        if (!Records(a, b))
            return output;
        return Record(new AddNode(output, a, b, alpha, beta));
    }

    /// <summary>factor · input, in the input's dtype.</summary>
    public static unsafe Tensor Multiply(Tensor input, float factor)
    {
        Requires.FloatingPoint(input);
        Tensor output = Tensor.Result(input.Device, input.DType, input.Shape);
        Kernels.Multiply(input.Device, output.Pointer, input.DType, input.Pointer, input.DType, factor, input.Count);
        if (!Records(input))
            return output;
        return Record(new AddNode(output, input, null, factor, 0));
    }

    private sealed unsafe class AddNode(Tensor output, Tensor a, Tensor? b, float alpha, float beta)
        : Node(b is null ? "multiply" : "add", output, a, b)
    {
        public override void Backward()
        {
            if (Wants(a))
                Pass(a, alpha);
            if (b is null || !Wants(b))
                return;
            if (b.Count == a.Count)
                Pass(b, beta);
            else if (b.Count > 0)
                Kernels.Sum(
                    Device,
                    b.GradientBuffer.Open(),
                    OutputGradient.Pointer,
                    Output.DType,
                    a.Count / b.Count,
                    b.Count,
                    1,
                    beta
                );
        }

        private void Pass(Tensor input, float factor)
        {
            if (factor == 1)
            {
                input.GradientBuffer.Accept(OutputGradient.Share(), Output.DType);
                return;
            }

            Storage scaled = Storage.Allocate(Device, Output.DType, Output.Count, MemoryKind.Gradients);
            Kernels.Multiply(
                Device,
                scaled.Pointer,
                Output.DType,
                OutputGradient.Pointer,
                Output.DType,
                factor,
                Output.Count
            );
            input.GradientBuffer.Accept(scaled, Output.DType);
        }
    }
}
