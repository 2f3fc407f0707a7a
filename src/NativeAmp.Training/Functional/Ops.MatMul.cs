using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Products of matrices.</content>
public static partial class Ops
{
    /// <summary>
    /// The matrix products a · b over leading batch dimensions: [..., m, k] and [..., k, n] give [..., m, n]. A
    /// low-precision operator.
    /// </summary>
    public static unsafe Tensor MatMul(Tensor a, Tensor b)
    {
        Requires.FloatingPoint(a);
        Requires.FloatingPoint(b);
        Requires.SameDevice(a, b);
        int rank = a.Shape.Rank;
        Requires.That(
            rank >= 2
                && b.Shape.Rank == rank
                && a.Shape.Dimensions[..^2].SequenceEqual(b.Shape.Dimensions[..^2])
                && a.Shape[-1] == b.Shape[-2],
            a,
            b,
            "they must be [..., m, k] and [..., k, n] with equal leading dimensions"
        );
        DType dtype = Precision.Of("matmul", a, b);
        var left = new Operand(a, dtype);
        var right = new Operand(b, dtype);
        (long M, long N, long K) sizes = (a.Shape[-2], b.Shape[-1], a.Shape[-1]);
        Tensor output = Tensor.Result(a.Device, dtype, a.Shape.WithLast(sizes.N));
        var target = new GradientTarget(output.Storage, dtype, accumulate: false);
        DenseProduct(a.Device, dtype, sizes, left.Pointer, false, right.Pointer, false, target, output.Count);
        ProductLog.Note("matmul", dtype, sizes.M, sizes.N, sizes.K, output.Count / Math.Max(1, sizes.M * sizes.N));
        if (Records(a, b))
            Record(new MatMulNode(output, left, right));
        left.Release();
        right.Release();
        return output;
    }

    internal static NampGemmArgs Product(DType dtype, long m, long n, long k)
    {
        NampGemmArgs args = NampGemmArgs.Create();
        args.ADtype = (int)dtype;
        args.BDtype = (int)dtype;
        args.M = m;
        args.N = n;
        args.K = k;
        args.Alpha = 1;
        return args;
    }

    /// <summary>
    /// target (+)= op(a) op(b), for a batch of dense products of these sizes that fills the target. With a slope the
    /// target, to which nothing is added then, is multiplied by it. rowSums: where the sums of the transposed a's rows
    /// go, in the target's dtype; or null. lda: elements between the rows of a as it is stored, or 0 for a dense one.
    /// </summary>
    internal static unsafe void DenseProduct(
        Device device,
        DType dtype,
        (long M, long N, long K) sizes,
        void* a,
        bool transposeA,
        void* b,
        bool transposeB,
        GradientTarget target,
        long targetCount,
        ActivationSlope? slope = null,
        void* rowSums = null,
        long lda = 0
    )
    {
        if (targetCount == 0)
            return;
        (long m, long n, long k) = sizes;
        NampGemmArgs args = Product(dtype, m, n, k);
        args.Batch = targetCount / (m * n);
        args.A = a;
        args.TransposeA = transposeA ? 1 : 0;
        args.Lda =
            lda != 0 ? lda
            : transposeA ? m
            : k;
        args.StrideA = m * k;
        args.B = b;
        args.TransposeB = transposeB ? 1 : 0;
        args.Ldb = transposeB ? k : n;
        args.StrideB = k * n;
        args.C = target.Pointer;
        args.CDtype = (int)target.DType;
        args.Ldc = n;
        args.StrideC = m * n;
        args.Beta = target.Accumulate ? 1 : 0;
        args.RowSums = rowSums;
        if (slope is { } given)
        {
            args.Activation = (int)given.Activation;
            args.ActivationKept = given.Kept.Pointer;
        }

        NativeOps.Gemm(device, args);
    }

    private sealed unsafe class MatMulNode(Tensor output, Operand a, Operand b) : Node("matmul", output, a, b)
    {
        private readonly Tensor _a = a.Source;
        private readonly Tensor _b = b.Source;
        private readonly Saved _left = b.Source.RequiresGrad ? a.Save() : default;
        private readonly Saved _right = a.Source.RequiresGrad ? b.Save() : default;

        protected override Saved[] SavedElements => [_left, _right];

        public override void Backward()
        {
            DType dtype = Output.DType;
            (long m, long n, long k) = (Output.Shape[-2], Output.Shape[-1], _a.Shape[-1]);
            void* gradient = OutputGradient.Pointer;
            if (Wants(_a))
                DenseProduct(
                    Device,
                    dtype,
                    (m, k, n),
                    gradient,
                    false,
                    _right.Pointer,
                    true,
                    _a.GradientBuffer.Open(),
                    _a.Count
                );
            if (Wants(_b))
                DenseProduct(
                    Device,
                    dtype,
                    (k, n, m),
                    _left.Pointer,
                    true,
                    gradient,
                    false,
                    _b.GradientBuffer.Open(),
                    _b.Count
                );
        }
    }
}
