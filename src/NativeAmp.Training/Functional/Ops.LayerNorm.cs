using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Layer normalization.</content>
public static partial class Ops
{
    /// <summary>
    /// Normalizes every row of the last dimension to mean 0 and (biased) variance 1, then multiplies by weight and adds
    /// bias. Computed in float32 from any dtype.
    /// </summary>
    /// <param name="input">[..., width].</param>
    /// <param name="weight">float32 [width], or null for ones.</param>
    /// <param name="bias">float32 [width], or null for zeros.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="outputType">
    /// The result's dtype. The default is that of <see cref="Autocast"/> (float32), and without it the input's. Naming
    /// the dtype of a following matmul saves a cast.
    /// </param>
    public static unsafe Tensor LayerNorm(
        Tensor input,
        Tensor? weight,
        Tensor? bias,
        float epsilon = 1e-5f,
        DType? outputType = null
    )
    {
        Requires.FloatingPoint(input);
        Requires.SameDevice(input, weight);
        Requires.SameDevice(input, bias);
        Requires.That(input.Shape.Rank >= 1 && input.Shape[-1] >= 1, input, null, "its rows must have an element");
        long width = input.Shape[-1];
        Requires.That(
            weight is null || (weight.Shape == [width] && weight.DType == DType.Float32),
            input,
            weight,
            $"the weight must be float32 [{width}]"
        );
        Requires.That(
            bias is null || (bias.Shape == [width] && bias.DType == DType.Float32),
            input,
            bias,
            $"the bias must be float32 [{width}]"
        );

        long rows = width == 0 ? 0 : input.Count / width;
        DType dtype = outputType ?? Precision.Of("layer_norm", input);
        Tensor output = Tensor.Result(input.Device, dtype, input.Shape);
        bool records = Records(input, weight, bias);
        // Backward reads the normalized rows. If they are smaller than the input, they are kept instead of it
        // (docs/decisions/0005).
        Storage? normalized =
            records && dtype.SizeInBytes() < input.DType.SizeInBytes()
                ? Storage.Allocate(input.Device, dtype, input.Count, MemoryKind.Activations)
                : null;
        Storage? mean = normalized is null
            ? Storage.Allocate(input.Device, DType.Float32, rows, MemoryKind.Activations)
            : null;
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
        args.Normalized = normalized is null ? null : normalized.Pointer;
        args.Mean = mean is null ? null : (float*)mean.Pointer;
        args.InverseDeviation = (float*)inverseDeviation.Pointer;
        NativeOps.LayerNormForward(input.Device, args);
        GC.KeepAlive(input);
        GC.KeepAlive(weight);
        GC.KeepAlive(bias);
        if (records)
        {
            Saved kept = normalized is null ? new Saved(input) : Saved.TakeOver(normalized, dtype);
            Saved[] statistics = mean is null ? [Kept(inverseDeviation)] : [Kept(mean), Kept(inverseDeviation)];
            return Record(new LayerNormNode(output, input, weight, bias, kept, statistics, args));
        }

        mean?.Drop();
        inverseDeviation.Drop();
        return output;
    }

    private sealed unsafe class LayerNormNode(
        Tensor output,
        Tensor input,
        Tensor? weight,
        Tensor? bias,
        Saved kept,
        Saved[] statistics,
        NampLayerNormArgs forward
    ) : NormNode("layer_norm", output, input, weight, bias, kept, statistics)
    {
        protected override void Run(InputGradient input, float* weightGradient, float* biasGradient)
        {
            NampLayerNormArgs args = forward;
            args.Output = null;
            args.OutputGradient = OutputGradient.Pointer;
            args.InputGradient = input.Pointer;
            args.ResidualGradient = input.Residual;
            args.InputGradientCopy = input.Copy;
            args.GammaGradient = weightGradient;
            args.BetaGradient = biasGradient;
            NativeOps.LayerNormBackward(Device, args);
        }
    }
}
