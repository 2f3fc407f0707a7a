namespace NativeAmp.Training;

/// <content>Sums and means of all elements.</content>
public static partial class Ops
{
    /// <summary>The sum of all elements, a float32 scalar.</summary>
    public static Tensor Sum(Tensor input) => Reduce(input, 1, nameof(Sum));

    /// <summary>The mean of all elements, a float32 scalar; NaN if there are none.</summary>
    public static Tensor Mean(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return Reduce(input, (float)(1 / (double)input.Count), nameof(Mean));
    }

    private static unsafe Tensor Reduce(Tensor input, float factor, string operation)
    {
        Requires.FloatingPoint(input, operation);
        Tensor output = Tensor.Result(input.Device, DType.Float32, Shape.Scalar);
        var target = new GradientTarget(output.Storage, DType.Float32, accumulate: false);
        Kernels.Sum(input.Device, target, input.Pointer, input.DType, 1, 1, input.Count, factor);
        if (!Records(input))
            return output;
        return Record(new ReduceNode(output, input, factor));
    }

    private sealed unsafe class ReduceNode(Tensor output, Tensor input, float factor) : Node("sum", output, input)
    {
        public override void Backward()
        {
            // Every element has the same gradient, factor times the scalar's: a broadcast sum with zero.
            GradientTarget target = input.GradientBuffer.Open();
            if (input.Count == 0)
                return;
            if (!target.Accumulate)
                Device.FillMemory((nint)target.Pointer, 0, input.Count * target.DType.SizeInBytes());
            Kernels.Add(
                Device,
                target.Pointer,
                target.DType,
                target.Pointer,
                target.DType,
                1,
                OutputGradient.Pointer,
                DType.Float32,
                factor,
                input.Count,
                1
            );
        }
    }
}
