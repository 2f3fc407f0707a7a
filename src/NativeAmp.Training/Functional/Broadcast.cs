using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <summary>Shapes that meet by NumPy's rules: aligned at the last dimension, a dimension of 1 repeats.</summary>
internal static unsafe class Broadcast
{
    /// <summary>Most dimensions.</summary>
    public const int MaxRank = NativeConstants.MapMaxRank;

    /// <summary>The shape of an operator over both.</summary>
    /// <exception cref="ArgumentException">They do not meet.</exception>
    public static Shape Of(Tensor a, Tensor b, string operation)
    {
        int rank = Math.Max(a.Shape.Rank, b.Shape.Rank);
        var dimensions = new long[rank];
        bool fits = rank <= MaxRank;
        for (int d = 0; d < rank && fits; d++)
        {
            (long x, long y) = (Dimension(a.Shape, rank, d), Dimension(b.Shape, rank, d));
            fits = x == y || x == 1 || y == 1;
            dimensions[d] = x == 1 ? y : x;
        }

        Requires.That(
            fits,
            a,
            b,
            $"from the last dimension on, both sizes are the same or one of them is 1, in up to {MaxRank} dimensions",
            operation
        );
        return new Shape(dimensions);
    }

    /// <summary>An operand as it meets a shape.</summary>
    public static Strided View(Tensor operand, Shape shape) => View(operand, operand.Pointer, operand.DType, shape);

    /// <summary>The same for elements in a tensor's shape at another place.</summary>
    public static Strided View(Tensor operand, void* data, DType dtype, Shape shape) =>
        new(data, dtype, Strides(operand.Shape, shape));

    /// <summary>Steps along a shape's dimensions, row after row; 0 where an operand repeats or has one index.</summary>
    public static long[] Strides(Shape operand, Shape shape)
    {
        var strides = new long[shape.Rank];
        long stride = 1;
        for (int d = shape.Rank - 1; d >= 0; d--)
        {
            long size = Dimension(operand, shape.Rank, d);
            strides[d] = size == 1 ? 0 : stride;
            stride *= size;
        }

        return strides;
    }

    /// <summary>Adds a gradient of an output, times a factor, to that of an operand that was broadcast to it.</summary>
    public static void SumTo(Tensor operand, void* gradient, DType dtype, Shape shape, float factor)
    {
        Device device = operand.Device;
        GradientTarget target = operand.GradientBuffer.Open();
        if (operand.Count == 0)
            return;
        List<(bool Sums, long Size)> groups = Groups(operand.Shape, shape);
        Storage? scratch = null;
        for (int sums = groups.Count(group => group.Sums); sums > 0; sums--)
        {
            int at = groups.FindLastIndex(group => group.Sums);
            NampReduceArgs args = NampReduceArgs.Create();
            args.Reduction = (int)NampReduction.Sum;
            args.Outer = Product(groups, 0, at);
            args.Count = groups[at].Size;
            args.Inner = Product(groups, at + 1, groups.Count);
            args.In = gradient;
            args.InDtype = (int)dtype;
            Storage? before = scratch;
            if (sums == 1)
            {
                scratch = null;
                args.Alpha = factor;
                args.Out = target.Pointer;
                args.OutDtype = (int)target.DType;
                args.Accumulate = target.Accumulate ? 1 : 0;
            }
            else
            {
                scratch = Storage.Allocate(device, DType.Float32, args.Outer * args.Inner, MemoryKind.Workspace);
                args.Alpha = 1;
                args.Out = scratch.Pointer;
                args.OutDtype = (int)DType.Float32;
            }

            NativeOps.Reduce(device, args);
            before?.Drop();
            gradient = args.Out;
            dtype = DType.Float32;
            groups.RemoveAt(at);
        }
    }

    private static long Product(List<(bool Sums, long Size)> groups, int begin, int end)
    {
        long product = 1;
        for (int i = begin; i < end; i++)
            product *= groups[i].Size;
        return product;
    }

    // Neighbouring dimensions that are all summed, or all kept, as one. There is one that is summed.
    private static List<(bool Sums, long Size)> Groups(Shape operand, Shape shape)
    {
        List<(bool Sums, long Size)> groups = [];
        for (int d = 0; d < shape.Rank; d++)
        {
            bool sums = Dimension(operand, shape.Rank, d) != shape[d];
            if (shape[d] == 1)
                continue;
            if (groups.Count > 0 && groups[^1].Sums == sums)
                groups[^1] = (sums, groups[^1].Size * shape[d]);
            else
                groups.Add((sums, shape[d]));
        }

        return groups;
    }

    private static long Dimension(Shape shape, int rank, int d) =>
        d < rank - shape.Rank ? 1 : shape[d - (rank - shape.Rank)];
}

/// <summary>Elements with strides: the place of the first one, and steps in elements along each dimension.</summary>
internal readonly unsafe struct Strided(void* data, DType dtype, long[] strides)
{
    public void* Data { get; } = data;

    public DType DType { get; } = dtype;

    public long[] Strides { get; } = strides;

    /// <summary>A whole tensor's elements, row after row.</summary>
    public static Strided Dense(void* data, DType dtype, Shape shape) =>
        new(data, dtype, Broadcast.Strides(shape, shape));
}
