using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Parts of tensors along a dimension, and tensors of parts.</content>
public static partial class Ops
{
    /// <summary>A part of a tensor along a dimension, as a copy.</summary>
    /// <param name="input">The elements.</param>
    /// <param name="dimension">The dimension; below 0 from the last on.</param>
    /// <param name="start">The first index of the part.</param>
    /// <param name="length">Number of indices.</param>
    public static Tensor Narrow(Tensor input, int dimension, long start, long length)
    {
        Requires.FloatingPoint(input);
        dimension = Requires.Dimension(input, dimension);
        Requires.That(
            start >= 0 && length >= 0 && start <= input.Shape[dimension] - length,
            input,
            null,
            $"dimension {dimension} does not have {length} indices from {start} on"
        );
        return Part(input, dimension, start, length, "narrow");
    }

    /// <summary>Parts of a size along a dimension, as copies; the last one may be smaller.</summary>
    /// <param name="input">The elements.</param>
    /// <param name="size">The size of a part, 1 or more.</param>
    /// <param name="dimension">The dimension; below 0 from the last on.</param>
    public static Tensor[] Split(Tensor input, long size, int dimension = 0)
    {
        Requires.FloatingPoint(input);
        dimension = Requires.Dimension(input, dimension);
        Requires.That(size >= 1, input, null, $"a part has 1 index or more, not {size}");
        long whole = input.Shape[dimension];
        var parts = new Tensor[whole / size + (whole % size == 0 ? 0 : 1)];
        for (int i = 0; i < parts.Length; i++)
            parts[i] = Part(input, dimension, i * size, Math.Min(size, whole - i * size), "split");
        return parts;
    }

    /// <summary>
    /// The tensors one after the other along a dimension, in the widest of their dtypes. All other dimensions are the
    /// same.
    /// </summary>
    /// <param name="inputs">One tensor or more.</param>
    /// <param name="dimension">The dimension; below 0 from the last on.</param>
    public static unsafe Tensor Concat(ReadOnlySpan<Tensor> inputs, int dimension = 0)
    {
        if (inputs.IsEmpty)
            throw new ArgumentException("Concat takes one tensor or more.", nameof(inputs));
        foreach (Tensor input in inputs)
            Requires.FloatingPoint(input);
        Tensor first = inputs[0];
        dimension = Requires.Dimension(first, dimension);
        long[] sizes = first.Shape.Dimensions.ToArray();
        DType widest = first.DType;
        bool records = Records(first);
        foreach (Tensor input in inputs[1..])
        {
            Requires.SameDevice(first, input);
            Requires.That(
                input.Shape.Rank == sizes.Length && Others(input.Shape).SequenceEqual(Others(first.Shape)),
                first,
                input,
                $"all dimensions but {dimension} must be the same"
            );
            sizes[dimension] += input.Shape[dimension];
            widest = input.DType == widest ? widest : DType.Float32;
            records |= Records(input);
        }

        Tensor output = Tensor.Result(first.Device, Autocast.TypeOf("concat", widest), new Shape(sizes));
        var whole = new Middle(output, dimension);
        long start = 0;
        foreach (Tensor input in inputs)
        {
            var part = new Middle(input, dimension);
            Strided elements = part.Dense(input.Pointer, input.DType);
            Kernels.Map(
                output.Device,
                NampFunction.Scale,
                part.Whole,
                whole.From(start, output.Pointer, output.DType),
                elements,
                elements
            );
            GC.KeepAlive(input);
            start += part.Count;
        }

        return records ? Record(new ConcatNode(output, inputs.ToArray(), dimension)) : output;

        IEnumerable<long> Others(Shape shape) => shape.Dimensions.ToArray().Where((_, d) => d != dimension);
    }

    private static unsafe Tensor Part(Tensor input, int dimension, long start, long length, string operation)
    {
        long[] sizes = input.Shape.Dimensions.ToArray();
        sizes[dimension] = length;
        Tensor output = Tensor.Result(input.Device, input.DType, new Shape(sizes));
        Strided elements = new Middle(input, dimension).From(start, input.Pointer, input.DType);
        var part = new Middle(output, dimension);
        Kernels.Map(
            input.Device,
            NampFunction.Scale,
            part.Whole,
            part.Dense(output.Pointer, output.DType),
            elements,
            elements
        );
        GC.KeepAlive(input);
        return Records(input) ? Record(new PartNode(operation, output, input, dimension, start)) : output;
    }

    private sealed unsafe class PartNode(string operation, Tensor output, Tensor input, int dimension, long start)
        : Node(operation, output, input)
    {
        public override void Backward()
        {
            GradientTarget target = input.GradientBuffer.Open();
            if (input.Count == 0)
                return;
            if (!target.Accumulate)
                Device.FillMemory((nint)target.Pointer, 0, input.Count * target.DType.SizeInBytes());
            Strided place = new Middle(input, dimension).From(start, target.Pointer, target.DType);
            var part = new Middle(Output, dimension);
            Kernels.Map(
                Device,
                NampFunction.Add,
                part.Whole,
                place,
                place,
                part.Dense(OutputGradient.Pointer, Output.DType)
            );
        }
    }

    private sealed unsafe class ConcatNode : Node
    {
        private readonly Tensor[] _inputs;
        private readonly int _dimension;

        public ConcatNode(Tensor output, Tensor[] inputs, int dimension)
            : base("concat", output, Array.ConvertAll(inputs, input => (Edge)input))
        {
            _inputs = inputs;
            _dimension = dimension;
        }

        public override void Backward()
        {
            var whole = new Middle(Output, _dimension);
            long start = 0;
            foreach (Tensor input in _inputs)
            {
                var part = new Middle(input, _dimension);
                if (Wants(input))
                {
                    var gradient = new GradientOverwrite(this, input, input.DType);
                    Strided given = whole.From(start, OutputGradient.Pointer, Output.DType);
                    Kernels.Map(
                        Device,
                        NampFunction.Scale,
                        part.Whole,
                        part.Dense(gradient.Pointer, gradient.DType),
                        given,
                        given
                    );
                    gradient.Finish();
                }

                start += part.Count;
            }
        }
    }
}
