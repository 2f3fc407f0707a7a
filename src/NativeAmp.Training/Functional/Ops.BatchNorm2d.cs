using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Batch normalization.</content>
public static partial class Ops
{
    /// <summary>
    /// Normalizes every channel of [batch, channels, ...] by its mean and (biased) variance, then multiplies by weight
    /// and adds bias. Computed in float32 and rounded to the input's dtype. Training uses the batch's statistics and
    /// moves the running statistics towards them, except for channels whose mean or variance is not finite. Otherwise
    /// the running statistics are used.
    /// </summary>
    /// <param name="input">[batch, channels, ...].</param>
    /// <param name="weight">float32 [channels], or null for ones.</param>
    /// <param name="bias">float32 [channels], or null for zeros.</param>
    /// <param name="runningMean">float32 [channels]. Updated in training, and may be null there.</param>
    /// <param name="runningVariance">float32 [channels]. Updated in training, and may be null there.</param>
    /// <param name="training">Whether to use the batch's statistics.</param>
    /// <param name="momentum">The weight of the batch in the running statistics.</param>
    /// <param name="epsilon">Added to the variance.</param>
    public static unsafe Tensor BatchNorm2d(
        Tensor input,
        Tensor? weight,
        Tensor? bias,
        Tensor? runningMean,
        Tensor? runningVariance,
        bool training,
        float momentum = 0.1f,
        float epsilon = 1e-5f
    )
    {
        Requires.FloatingPoint(input);
        Requires.That(input.Shape.Rank >= 2, input, null, "it must be [batch, channels, ...]");
        long channels = input.Shape[1];
        foreach (Tensor? values in (ReadOnlySpan<Tensor?>)[weight, bias, runningMean, runningVariance])
        {
            Requires.SameDevice(input, values);
            Requires.That(
                values is null || (values.Shape == [channels] && values.DType == DType.Float32),
                input,
                values,
                $"weight, bias and statistics must be float32 [{channels}]"
            );
        }

        bool hasStatistics = runningMean is not null && runningVariance is not null;
        if (!training && !hasStatistics)
            throw new ArgumentException(
                "BatchNorm2d needs running statistics when it is not training.",
                nameof(runningMean)
            );
        Requires.That(
            !training || input.Count == 0 || input.Count / channels > 1,
            input,
            null,
            "the variance of one value per channel is not defined"
        );

        Tensor given = input;
        input = Precision.Prepare("batch_norm", input);
        Tensor output = Tensor.Result(input.Device, input.DType, input.Shape);
        Storage mean = Storage.Allocate(input.Device, DType.Float32, channels, MemoryKind.Activations);
        Storage inverseDeviation = Storage.Allocate(input.Device, DType.Float32, channels, MemoryKind.Activations);
        NampBatchNormArgs args = NampBatchNormArgs.Create();
        args.Dtype = (int)input.DType;
        args.Training = training ? 1 : 0;
        args.Epsilon = epsilon;
        args.Momentum = momentum;
        args.Batch = input.Shape[0];
        args.Channels = channels;
        args.Inner = new Shape(input.Shape.Dimensions[2..]).Count;
        args.Input = input.Pointer;
        args.Gamma = weight is null ? null : (float*)weight.Pointer;
        args.Beta = bias is null ? null : (float*)bias.Pointer;
        args.RunningMean = hasStatistics ? (float*)runningMean!.Pointer : null;
        args.RunningVariance = hasStatistics ? (float*)runningVariance!.Pointer : null;
        args.Output = output.Pointer;
        args.Mean = (float*)mean.Pointer;
        args.InverseDeviation = (float*)inverseDeviation.Pointer;
        // A batch without samples has no statistics.
        if (input.Count > 0)
            NativeOps.BatchNormForward(input.Device, args);
        if (training && hasStatistics)
        {
            runningMean!.Storage.MarkWritten();
            runningVariance!.Storage.MarkWritten();
        }

        if (Records(input, weight, bias))
        {
            // Backward uses the same statistics as the forward pass.
            Saved[] running = training ? [] : [new Saved(runningMean!), new Saved(runningVariance!)];
            Record(
                new BatchNorm2dNode(output, input, weight, bias, [Kept(mean), Kept(inverseDeviation), .. running], args)
            );
        }
        else
        {
            mean.Drop();
            inverseDeviation.Drop();
        }

        input.ReleaseIfCastOf(given);
        return output;
    }

    private sealed unsafe class BatchNorm2dNode(
        Tensor output,
        Tensor input,
        Tensor? weight,
        Tensor? bias,
        Saved[] statistics,
        NampBatchNormArgs forward
    ) : NormNode("batch_norm", output, input, weight, bias, new Saved(input), statistics)
    {
        protected override bool AddsResidual => false;

        protected override void Run(InputGradient input, float* weightGradient, float* biasGradient)
        {
            if (Output.Count == 0)
            {
                Clear(weightGradient);
                Clear(biasGradient);
                return;
            }

            NampBatchNormArgs args = forward;
            args.Output = null;
            args.OutputGradient = OutputGradient.Pointer;
            args.InputGradient = input.Pointer;
            args.GammaGradient = weightGradient;
            args.BetaGradient = biasGradient;
            NativeOps.BatchNormBackward(Device, args);
        }

        private void Clear(float* gradient)
        {
            if (gradient is not null)
                Device.FillMemory((nint)gradient, 0, forward.Channels * sizeof(float));
        }
    }
}
