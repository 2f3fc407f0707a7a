namespace NativeAmp.Training;

/// <content>Conversions between dtypes.</content>
public static partial class Ops
{
    /// <summary>
    /// The tensor in another floating-point dtype; the tensor itself if it has that dtype. The gradient has the input's
    /// dtype.
    /// </summary>
    public static unsafe Tensor Cast(Tensor input, DType dtype)
    {
        Requires.FloatingPoint(input);
        if (!dtype.IsComputeType())
            throw new ArgumentException($"Cast converts between floating-point dtypes, not to {dtype}.", nameof(dtype));
        if (input.DType == dtype)
            return input;
        Tensor output = Tensor.Result(input.Device, dtype, input.Shape);
        Kernels.Cast(input.Device, output.Pointer, dtype, input.Pointer, input.DType, input.Count);
        if (!Records(input))
            return output;
        return Record(new SameElementsNode("cast", output, input));
    }

    /// <summary>A cast or a reshape: the gradient keeps its values and takes the input's dtype.</summary>
    private sealed class SameElementsNode(string operation, Tensor output, Tensor input)
        : Node(operation, output, input)
    {
        public override void Backward() => input.GradientBuffer.Accept(OutputGradient.Share(), Output.DType);
    }
}
