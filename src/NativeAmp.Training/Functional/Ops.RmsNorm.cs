using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Root mean square normalization.</content>
public static partial class Ops
{
    /// <summary>
    /// Divides every row of the last dimension by its root mean square, then multiplies by weight (Zhang and Sennrich
    /// 2019). Computed in float32 from any dtype.
    /// </summary>
    /// <param name="input">[..., width].</param>
    /// <param name="weight">float32 [width], or null for ones.</param>
    /// <param name="epsilon">Added to the mean of squares.</param>
    /// <param name="outputType">
    /// The result's dtype. The default is that of <see cref="Autocast"/> (float32), and without it the input's. Naming
    /// the dtype of a following matmul saves a cast.
    /// </param>
    public static unsafe Tensor RmsNorm(Tensor input, Tensor? weight, float epsilon = 1e-6f, DType? outputType = null)
    {
        Requires.FloatingPoint(input);
        Requires.SameDevice(input, weight);
        Requires.That(input.Shape.Rank >= 1 && input.Shape[-1] >= 1, input, null, "its rows must have an element");
        long width = input.Shape[-1];
        Requires.That(
            weight is null || (weight.Shape == [width] && weight.DType == DType.Float32),
            input,
            weight,
            $"the weight must be float32 [{width}]"
        );

        long rows = width == 0 ? 0 : input.Count / width;
        DType dtype = outputType ?? Precision.Of("rms_norm", input);
        Tensor output = Tensor.Result(input.Device, dtype, input.Shape);
        Storage inverse = Storage.Allocate(input.Device, DType.Float32, rows, MemoryKind.Activations);
        NampRmsNormArgs args = NampRmsNormArgs.Create();
        args.InputDtype = (int)input.DType;
        args.OutputDtype = (int)dtype;
        args.Epsilon = epsilon;
        args.Rows = rows;
        args.Width = width;
        args.Input = input.Pointer;
        args.Gamma = weight is null ? null : (float*)weight.Pointer;
        args.Output = output.Pointer;
        args.InverseRms = (float*)inverse.Pointer;
        NativeOps.RmsNormForward(input.Device, args);
        GC.KeepAlive(input);
        GC.KeepAlive(weight);
        if (Records(input, weight))
            return Record(new RmsNormNode(output, input, weight, Kept(inverse), args));
        inverse.Drop();
        return output;
    }

    private sealed unsafe class RmsNormNode(
        Tensor output,
        Tensor input,
        Tensor? weight,
        Saved inverse,
        NampRmsNormArgs forward
    ) : NormNode("rms_norm", output, input, weight, bias: null, new Saved(input), [inverse])
    {
        protected override void Run(InputGradient input, float* weightGradient, float* biasGradient)
        {
            NampRmsNormArgs args = forward;
            args.Output = null;
            args.OutputGradient = OutputGradient.Pointer;
            args.InputGradient = input.Pointer;
            args.ResidualGradient = input.Residual;
            args.InputGradientCopy = input.Copy;
            args.GammaGradient = weightGradient;
            NativeOps.RmsNormBackward(Device, args);
        }
    }
}
