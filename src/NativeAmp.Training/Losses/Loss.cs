using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <summary>
/// Loss functions. A loss is a float32 scalar, computed in float32 from any dtype. Its backward pass writes the
/// gradient, times the loss scale on the device, in the prediction's dtype in one pass.
/// </summary>
public static partial class Loss
{
    /// <summary>Rows with this label are ignored by default.</summary>
    public const int DefaultIgnoreIndex = -100;

    /// <summary>Softmax cross-entropy of logits and class indices.</summary>
    /// <param name="logits">[..., classes].</param>
    /// <param name="labels">int32 [...]: the class of each row.</param>
    /// <param name="reduction">Mean over the rows that are not ignored, or sum.</param>
    /// <param name="ignoreIndex">Rows with this label are ignored.</param>
    /// <exception cref="IndexRangeException">
    /// On the CPU: a label is neither a class nor ignored. On a GPU this call does not wait: <see cref="Tensor.Item"/>
    /// of the loss, the <see cref="StepResult"/> and the trainer throw later; the step is skipped, and the loss scale
    /// does not fall for it.
    /// </exception>
    public static unsafe Tensor CrossEntropy(
        Tensor logits,
        Tensor labels,
        Reduction reduction = Reduction.Mean,
        int ignoreIndex = DefaultIgnoreIndex
    )
    {
        Requires.FloatingPoint(logits);
        Requires.Int32(labels);
        Requires.SameDevice(logits, labels);
        Requires.That(
            logits.Shape.Rank >= 1 && logits.Shape[-1] >= 1 && labels.Shape == new Shape(logits.Shape.Dimensions[..^1]),
            logits,
            labels,
            "logits are [..., classes] and labels [...], one a row"
        );
        NampCrossEntropyArgs args = Arguments(labels, logits.Shape[-1], reduction, ignoreIndex);
        args.LogitsDtype = (int)logits.DType;
        args.Logits = logits.Pointer;
        Tensor loss = Compute(labels, &args, Ops.Records(logits), out Storage? rowSums);
        return rowSums is null ? loss : Ops.Record(new CrossEntropyNode(loss, logits, labels, rowSums, args));
    }

    // For labels that are [rows].
    private static unsafe NampCrossEntropyArgs Arguments(
        Tensor labels,
        long classes,
        Reduction reduction,
        int ignoreIndex
    )
    {
        NampCrossEntropyArgs args = NampCrossEntropyArgs.Create();
        args.Labels = (int*)labels.Pointer;
        args.Rows = labels.Count;
        args.Classes = classes;
        args.IgnoreIndex = ignoreIndex;
        args.Mean = reduction == Reduction.Mean ? 1 : 0;
        if (labels.Device.IsHostMemory)
            IndexFacts.CheckLabels(args.Labels, args.Rows, args.Classes, ignoreIndex);
        else
            args.BadLabel = labels.Device.IndexFacts.Make(labels.Device);
        return args;
    }

    // The loss alone. With what this pass keeps of each row, the backward pass reads the logits once.
    private static unsafe Tensor Compute(Tensor labels, NampCrossEntropyArgs* args, bool records, out Storage? rowSums)
    {
        Device device = labels.Device;
        Tensor loss = Tensor.Result(device, DType.Float32, Shape.Scalar);
        args->Loss = (float*)loss.Pointer;
        rowSums = records ? Storage.Allocate(device, DType.Float32, 2 * args->Rows, MemoryKind.Activations) : null;
        args->RowSums = rowSums is null ? null : (float*)rowSums.Pointer;
        Kernels.CrossEntropy(device, args);
        GC.KeepAlive(labels);
        return loss;
    }

    /// <summary>The mean (or sum) of the squared differences.</summary>
    /// <param name="prediction">Any shape.</param>
    /// <param name="target">The same shape.</param>
    /// <param name="reduction">Mean over the elements, or sum.</param>
    public static unsafe Tensor MeanSquaredError(Tensor prediction, Tensor target, Reduction reduction = Reduction.Mean)
    {
        Requires.FloatingPoint(prediction);
        Requires.FloatingPoint(target);
        Requires.SameDevice(prediction, target);
        Requires.That(prediction.Shape == target.Shape, prediction, target, "both must have one shape");
        NampMseArgs args = NampMseArgs.Create();
        args.PredictionDtype = (int)prediction.DType;
        args.Prediction = prediction.Pointer;
        args.Target = target.Pointer;
        args.TargetDtype = (int)target.DType;
        args.Mean = reduction == Reduction.Mean ? 1 : 0;
        args.Count = prediction.Count;
        Tensor loss = Tensor.Result(prediction.Device, DType.Float32, Shape.Scalar);
        args.Loss = (float*)loss.Pointer;
        Kernels.MeanSquaredError(prediction.Device, &args);
        return Ops.Records(prediction, target)
            ? Ops.Record(new MeanSquaredErrorNode(loss, prediction, target, args))
            : loss;
    }

    private sealed unsafe class CrossEntropyNode : Node
    {
        private readonly Tensor _logits;
        private readonly NampCrossEntropyArgs _forward;

        public CrossEntropyNode(
            Tensor loss,
            Tensor logits,
            Tensor labels,
            Storage rowSums,
            NampCrossEntropyArgs forward
        )
            : base("cross_entropy", loss, logits)
        {
            _logits = logits;
            SavedElements = [new Saved(logits), new Saved(labels), Saved.TakeOver(rowSums, DType.Float32)];
            _forward = forward;
        }

        protected override Saved[] SavedElements { get; }

        public override void Backward()
        {
            NampCrossEntropyArgs args = _forward;
            var gradient = new GradientOverwrite(this, _logits, _logits.DType);
            args.Loss = null;
            args.BadLabel = null;
            args.Gradient = gradient.Pointer;
            args.GradientDtype = (int)gradient.DType;
            args.Upstream = (float*)OutputGradient.Pointer;
            Kernels.CrossEntropy(Device, &args);
            gradient.Finish();
        }
    }

    private sealed unsafe class MeanSquaredErrorNode : Node
    {
        private readonly Tensor _prediction;
        private readonly Tensor _target;
        private readonly NampMseArgs _forward;

        public MeanSquaredErrorNode(Tensor loss, Tensor prediction, Tensor target, NampMseArgs forward)
            : base("mse", loss, prediction, target)
        {
            _prediction = prediction;
            _target = target;
            SavedElements = [new Saved(prediction), new Saved(target)];
            _forward = forward;
        }

        protected override Saved[] SavedElements { get; }

        public override void Backward()
        {
            NampMseArgs args = _forward;
            Write(_prediction, args);
            // The loss is symmetric: for the target's gradient, target and prediction change places.
            args.Prediction = _forward.Target;
            args.PredictionDtype = _forward.TargetDtype;
            args.Target = _forward.Prediction;
            args.TargetDtype = _forward.PredictionDtype;
            Write(_target, args);
        }

        private void Write(Tensor input, NampMseArgs args)
        {
            if (!Wants(input))
                return;
            var gradient = new GradientOverwrite(this, input, input.DType);
            args.Loss = null;
            args.Gradient = gradient.Pointer;
            args.GradientDtype = (int)gradient.DType;
            args.Upstream = (float*)OutputGradient.Pointer;
            Kernels.MeanSquaredError(Device, &args);
            gradient.Finish();
        }
    }
}
