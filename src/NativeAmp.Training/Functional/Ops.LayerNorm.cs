using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Layer normalisation.</content>
public static partial class Ops
{
    /// <summary>
    /// Every row of the last dimension, shifted and scaled to mean 0 and (biased) variance 1, then times weight plus bias. Computed in
    /// float32 from any dtype.
    /// </summary>
    /// <param name="input">[..., width].</param>
    /// <param name="weight">float32 [width], or null for ones.</param>
    /// <param name="bias">float32 [width], or null for zeros.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="outputType">
    /// What the result is rounded to; by default what <see cref="Autocast"/> says (float32), and without it the input's dtype. To name the dtype
    /// of the matmul that follows saves a cast.
    /// </param>
    public static unsafe Tensor LayerNorm(
        Tensor input, Tensor? weight, Tensor? bias, float epsilon = 1e-5f, DType? outputType = null)
    {
        Requires.FloatingPoint(input);
        Requires.SameDevice(input, weight);
        Requires.SameDevice(input, bias);
        Requires.That(input.Shape.Rank >= 1, input, null, "it needs a dimension to normalise");
        long width = input.Shape[-1];
        Requires.That(
            weight is null || (weight.Shape == [width] && weight.DType == DType.Float32), input, weight, $"the weight must be float32 [{width}]");
        Requires.That(bias is null || (bias.Shape == [width] && bias.DType == DType.Float32), input, bias, $"the bias must be float32 [{width}]");

        long rows = width == 0 ? 0 : input.Count / width;
        DType dtype = outputType ?? Precision.Of("layer_norm", input);
        Tensor output = Tensor.Result(input.Device, dtype, input.Shape);
        Storage mean = Storage.Allocate(input.Device, DType.Float32, rows, MemoryKind.Activations);
        Storage inverseDeviation = Storage.Allocate(input.Device, DType.Float32, rows, MemoryKind.Activations);
        NampLayerNormArgs args = NampLayerNormArgs.Create();
        args.InputDtype = (int)input.DType;
        args.OutputDtype = (int)dtype;
        args.Epsilon = epsilon;
        args.Rows = rows;
        args.Width = width;
        args.Input = input.Pointer;
        args.Gamma = weight is null ? null : (float*)weight.Pointer;
        args.Beta = bias is null ? null : (float*)bias.Pointer;
        args.Output = output.Pointer;
        args.Mean = (float*)mean.Pointer;
        args.InverseDeviation = (float*)inverseDeviation.Pointer;
        NativeOps.LayerNormForward(input.Device, args);
        if (!Records(input, weight, bias))
        {
            mean.Drop();
            inverseDeviation.Drop();
            return output;
        }

        Expect(input, input.DType);
        Expect(weight, DType.Float32);
        Expect(bias, DType.Float32);
        return Record(new LayerNormNode(output, input, weight, bias, mean, inverseDeviation, args));
    }

    private sealed unsafe class LayerNormNode(
        Tensor output, Tensor input, Tensor? weight, Tensor? bias, Storage mean, Storage inverseDeviation, NampLayerNormArgs forward)
        : Node(output)
    {
        private readonly Saved _x = new(input);
        private readonly Saved _weight = weight is null ? default : new Saved(weight);

        public override void Backward()
        {
            NampLayerNormArgs args = forward;
            var inputGradient = new GradientOverwrite(input, input.DType, always: true);
            var weightGradient = new GradientOverwrite(weight, DType.Float32);
            var biasGradient = new GradientOverwrite(bias, DType.Float32);
            args.OutputGradient = OutputGradient.Pointer;
            args.InputGradient = inputGradient.Pointer;
            args.GammaGradient = (float*)weightGradient.Pointer;
            args.BetaGradient = (float*)biasGradient.Pointer;
            args.Output = null;
            NativeOps.LayerNormBackward(Device, args);
            inputGradient.Finish();
            weightGradient.Finish();
            biasGradient.Finish();
        }

        public override void Release()
        {
            _x.Drop();
            _weight.Drop();
            mean.Drop();
            inverseDeviation.Drop();
        }
    }
}
