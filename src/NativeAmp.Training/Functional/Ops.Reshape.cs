using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>The same elements in another shape or order.</content>
public static partial class Ops
{
    /// <summary>
    /// The same elements in another shape, without a copy. One dimension may be -1: it is computed from the others.
    /// </summary>
    /// <exception cref="ArgumentException">The shape has another number of elements.</exception>
    public static Tensor Reshape(Tensor input, params ReadOnlySpan<long> dimensions)
    {
        ArgumentNullException.ThrowIfNull(input);
        Shape shape = Resolve(input, dimensions);
        Tensor output = Tensor.Result(input.Device, input.DType, shape, input.Storage.Share());
        if (!Records(input))
            return output;
        return Record(new SameElementsNode("reshape", output, input));
    }

    /// <summary>Flattens all dimensions but the first: [batch, the product of the others].</summary>
    public static Tensor Flatten(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Requires.That(input.Shape.Rank >= 1, input, null, "it needs a batch dimension");
        return input.Shape.Rank == 2
            ? input
            : Reshape(input, input.Shape[0], new Shape(input.Shape.Dimensions[1..]).Count);
    }

    /// <summary>
    /// The tensor with its dimensions permuted: dimension i of the output is dimension permutation[i] of the input.
    /// </summary>
    public static unsafe Tensor Permute(Tensor input, params ReadOnlySpan<int> permutation)
    {
        ArgumentNullException.ThrowIfNull(input);
        int rank = input.Shape.Rank;
        var inverse = new int[rank];
        Array.Fill(inverse, -1);
        bool isPermutation = permutation.Length == rank && rank > 0;
        for (int i = 0; isPermutation && i < rank; i++)
        {
            isPermutation = permutation[i] >= 0 && permutation[i] < rank && inverse[permutation[i]] < 0;
            if (isPermutation)
                inverse[permutation[i]] = i;
        }

        Requires.That(
            isPermutation,
            input,
            null,
            $"[{string.Join(", ", permutation.ToArray())}] is no permutation of its dimensions"
        );
        var dimensions = new long[rank];
        for (int i = 0; i < rank; i++)
            dimensions[i] = input.Shape[permutation[i]];
        Tensor output = Tensor.Result(input.Device, input.DType, new Shape(dimensions));
        NativeOps.Permute(
            input.Device,
            (nint)output.Pointer,
            (nint)input.Pointer,
            input.DType,
            input.Shape.Dimensions,
            permutation
        );
        if (!Records(input))
            return output;
        return Record(new PermuteNode(output, input, inverse));
    }

    /// <summary>Some rows of the outermost dimension, as a copy.</summary>
    /// <param name="input">[rows, ...].</param>
    /// <param name="first">The first row of the output.</param>
    /// <param name="count">Number of rows.</param>
    public static unsafe Tensor Rows(Tensor input, long first, long count)
    {
        ArgumentNullException.ThrowIfNull(input);
        Requires.That(
            input.Shape.Rank >= 1 && first >= 0 && count >= 0 && first <= input.Shape[0] - count,
            input,
            null,
            $"it does not have {count} outermost indices from {first} on"
        );
        Tensor output = Tensor.Result(input.Device, input.DType, [count, .. input.Shape.Dimensions[1..]]);
        long begin = count == 0 ? 0 : output.Count / count * first;
        input.Device.CopyOnDevice(
            (nint)output.Pointer,
            (nint)input.Pointer + (nint)(begin * input.DType.SizeInBytes()),
            output.Bytes
        );
        if (!Records(input))
            return output;
        return Record(new RowsNode(output, input, begin));
    }

    private static Shape Resolve(Tensor input, ReadOnlySpan<long> dimensions)
    {
        long[] resolved = dimensions.ToArray();
        int open = Array.IndexOf(resolved, -1);
        if (open >= 0)
        {
            resolved[open] = 1;
            long others = new Shape(resolved).Count;
            bool divides = others != 0 && input.Count % others == 0;
            Requires.That(
                divides,
                input,
                null,
                $"its {input.Count} elements do not divide into {others}",
                nameof(Reshape)
            );
            resolved[open] = input.Count / others;
        }

        var shape = new Shape(resolved);
        Requires.That(
            shape.Count == input.Count,
            input,
            null,
            $"{shape} has {shape.Count} elements, not {input.Count}",
            nameof(Reshape)
        );
        return shape;
    }

    private sealed unsafe class PermuteNode(Tensor output, Tensor input, int[] inverse) : Node("permute", output, input)
    {
        public override void Backward()
        {
            var gradient = new GradientOverwrite(this, input, Output.DType);
            NativeOps.Permute(
                Device,
                (nint)gradient.Pointer,
                (nint)OutputGradient.Pointer,
                Output.DType,
                Output.Shape.Dimensions,
                inverse
            );
            gradient.Finish();
        }
    }

    private sealed unsafe class RowsNode(Tensor output, Tensor input, long begin) : Node("rows", output, input)
    {
        public override void Backward()
        {
            GradientTarget target = input.GradientBuffer.Open();
            int size = target.DType.SizeInBytes();
            if (!target.Accumulate)
                Device.FillMemory((nint)target.Pointer, 0, input.Count * size);
            void* rows = (byte*)target.Pointer + begin * size;
            Kernels.Add(
                Device,
                rows,
                target.DType,
                rows,
                target.DType,
                1,
                OutputGradient.Pointer,
                Output.DType,
                1,
                Output.Count,
                Output.Count
            );
        }
    }
}
