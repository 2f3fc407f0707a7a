using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Sums, means and maxima over a dimension.</content>
public static partial class Ops
{
    /// <summary>The sum over a dimension, added in float32.</summary>
    /// <param name="input">The elements.</param>
    /// <param name="dimension">The dimension; below 0 from the last on.</param>
    /// <param name="keepDimension">Whether the output keeps the dimension, of size 1.</param>
    public static Tensor Sum(Tensor input, int dimension, bool keepDimension = false) =>
        SumOver(input, dimension, keepDimension, "sum", nameof(Sum), count => 1);

    /// <summary>The mean over a dimension, added in float32; NaN if it has no elements.</summary>
    /// <param name="input">The elements.</param>
    /// <param name="dimension">The dimension; below 0 from the last on.</param>
    /// <param name="keepDimension">Whether the output keeps the dimension, of size 1.</param>
    public static Tensor Mean(Tensor input, int dimension, bool keepDimension = false) =>
        SumOver(input, dimension, keepDimension, "mean", nameof(Mean), count => (float)(1 / (double)count));

    /// <summary>
    /// The largest element over a dimension, as torch.amax; a NaN counts as the largest. Where several are the largest
    /// each gets the same share of the gradient.
    /// </summary>
    /// <param name="input">The elements.</param>
    /// <param name="dimension">A dimension with an element at the least; below 0 from the last on.</param>
    /// <param name="keepDimension">Whether the output keeps the dimension, of size 1.</param>
    public static unsafe Tensor Max(Tensor input, int dimension, bool keepDimension = false)
    {
        Requires.FloatingPoint(input);
        var over = new Middle(input, Requires.Dimension(input, dimension));
        Requires.That(over.Count > 0 || input.Count > 0, input, null, "the dimension must have an element");
        Tensor given = input;
        input = Precision.Prepare("max", input);
        Tensor output = Tensor.Result(input.Device, input.DType, over.Reduced(keepDimension));
        NampReduceArgs args = over.Arguments(NampReduction.Max);
        args.In = input.Pointer;
        args.InDtype = (int)input.DType;
        args.Out = output.Pointer;
        args.OutDtype = (int)output.DType;
        NativeOps.Reduce(input.Device, args);
        if (Records(input))
            Record(new MaxNode(output, input, over));
        input.ReleaseIfCastOf(given);
        return output;
    }

    private static unsafe Tensor SumOver(
        Tensor input,
        int dimension,
        bool keepDimension,
        string operation,
        string name,
        Func<long, float> factorOf
    )
    {
        Requires.FloatingPoint(input, name);
        var over = new Middle(input, Requires.Dimension(input, dimension, name));
        Tensor output = Tensor.Result(input.Device, Precision.Of(operation, input), over.Reduced(keepDimension));
        NampReduceArgs args = over.Arguments(NampReduction.Sum);
        args.Alpha = factorOf(over.Count);
        args.In = input.Pointer;
        args.InDtype = (int)input.DType;
        args.Out = output.Pointer;
        args.OutDtype = (int)output.DType;
        NativeOps.Reduce(input.Device, args);
        GC.KeepAlive(input);
        return Records(input) ? Record(new SumNode(operation, output, input, over, args.Alpha)) : output;
    }

    /// <summary>A tensor's dimensions before, at and behind one of them: [outer, count, inner].</summary>
    private readonly unsafe struct Middle
    {
        private readonly Shape _shape;
        private readonly int _dimension;

        public Middle(Tensor input, int dimension)
        {
            _shape = input.Shape;
            _dimension = dimension;
            Outer = new Shape(_shape.Dimensions[..dimension]).Count;
            Count = _shape[dimension];
            Inner = new Shape(_shape.Dimensions[(dimension + 1)..]).Count;
        }

        public long Outer { get; }

        public long Count { get; }

        public long Inner { get; }

        public Shape Whole => new(Outer, Count, Inner);

        public Shape Reduced(bool keepDimension)
        {
            ReadOnlySpan<long> rest = _shape.Dimensions[(_dimension + 1)..];
            return keepDimension
                ? new Shape([.. _shape.Dimensions[.._dimension], 1, .. rest])
                : new Shape([.. _shape.Dimensions[.._dimension], .. rest]);
        }

        /// <summary>A whole tensor's elements.</summary>
        public Strided Dense(void* data, DType dtype) => new(data, dtype, [Count * Inner, Inner, 1]);

        /// <summary>The same from an index of the dimension on.</summary>
        public Strided From(long index, void* data, DType dtype) =>
            Dense((byte*)data + index * Inner * dtype.SizeInBytes(), dtype);

        /// <summary>Elements of the reduced shape, repeated over the dimension.</summary>
        public Strided Repeated(void* data, DType dtype) => new(data, dtype, [Inner, 0, 1]);

        public NampReduceArgs Arguments(NampReduction reduction)
        {
            NampReduceArgs args = NampReduceArgs.Create();
            args.Reduction = (int)reduction;
            args.Outer = Outer;
            args.Count = Count;
            args.Inner = Inner;
            return args;
        }
    }

    private sealed unsafe class SumNode(string operation, Tensor output, Tensor input, Middle over, float factor)
        : Node(operation, output, input)
    {
        public override void Backward()
        {
            var gradient = new GradientOverwrite(this, input, input.DType);
            Strided given = over.Repeated(OutputGradient.Pointer, Output.DType);
            Kernels.Map(
                Device,
                NampFunction.Scale,
                over.Whole,
                over.Dense(gradient.Pointer, gradient.DType),
                given,
                given,
                factor
            );
            gradient.Finish();
        }
    }

    private sealed unsafe class MaxNode(Tensor output, Tensor input, Middle over) : Node("max", output, input)
    {
        private readonly Saved _input = new(input);
        private readonly Saved _output = new(output);

        protected override Saved[] SavedElements => [_input, _output];

        public override void Backward()
        {
            var gradient = new GradientOverwrite(this, input, input.DType);
            Storage largest = Storage.Allocate(Device, DType.Float32, input.Count, MemoryKind.Workspace);
            Storage share = Storage.Allocate(Device, DType.Float32, Output.Count, MemoryKind.Workspace);
            Strided isLargest = over.Dense(largest.Pointer, DType.Float32);
            Kernels.Map(
                Device,
                NampFunction.Equal,
                over.Whole,
                isLargest,
                over.Dense(_input.Pointer, _input.DType),
                over.Repeated(_output.Pointer, _output.DType)
            );
            // The number of the largest; the gradient of each; and that of all.
            NampReduceArgs args = over.Arguments(NampReduction.Sum);
            args.Alpha = 1;
            args.In = largest.Pointer;
            args.InDtype = (int)DType.Float32;
            args.Out = share.Pointer;
            args.OutDtype = (int)DType.Float32;
            NativeOps.Reduce(Device, args);
            Kernels.Map(
                Device,
                NampFunction.Divide,
                new Shape(Output.Count),
                Flat(share.Pointer, DType.Float32),
                Flat(OutputGradient.Pointer, Output.DType),
                Flat(share.Pointer, DType.Float32)
            );
            Kernels.Map(
                Device,
                NampFunction.Multiply,
                over.Whole,
                over.Dense(gradient.Pointer, gradient.DType),
                isLargest,
                over.Repeated(share.Pointer, DType.Float32)
            );
            share.Drop();
            largest.Drop();
            gradient.Finish();
        }
    }
}
