using System.Runtime.CompilerServices;
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
    /// <param name="classWeights">
    /// float32 [classes]: the weight of each class, or null for ones. The mean is then divided by the sum of the
    /// rows' weights, not by their number, as in PyTorch. It gets no gradient.
    /// </param>
    /// <param name="labelSmoothing">
    /// From 0 to 1: the share of the target that is spread evenly over all classes, as in PyTorch.
    /// </param>
    /// <exception cref="IndexRangeException">
    /// On the CPU: a label is neither a class nor ignored. On a GPU this call does not wait: <see cref="Tensor.Item"/>
    /// of the loss, the <see cref="StepResult"/> and the trainer throw later; the step is skipped, and the loss scale
    /// does not fall for it.
    /// </exception>
    public static unsafe Tensor CrossEntropy(
        Tensor logits,
        Tensor labels,
        Reduction reduction = Reduction.Mean,
        int ignoreIndex = DefaultIgnoreIndex,
        Tensor? classWeights = null,
        float labelSmoothing = 0
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
        NampCrossEntropyArgs args = Arguments(
            labels,
            logits.Shape[-1],
            reduction,
            ignoreIndex,
            classWeights,
            labelSmoothing
        );
        args.LogitsDtype = (int)logits.DType;
        args.Logits = logits.Pointer;
        Tensor loss = Compute(labels, classWeights, &args, Ops.Records(logits), out Storage? rowSums);
        return rowSums is null
            ? loss
            : Ops.Record(new CrossEntropyNode(loss, logits, labels, classWeights, rowSums, args));
    }

    // For labels that are [rows].
    private static unsafe NampCrossEntropyArgs Arguments(
        Tensor labels,
        long classes,
        Reduction reduction,
        int ignoreIndex,
        Tensor? classWeights,
        float labelSmoothing,
        [CallerMemberName] string operation = ""
    )
    {
        if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
            throw new ArgumentOutOfRangeException(
                nameof(labelSmoothing),
                labelSmoothing,
                "Label smoothing is a share of the target, from 0 to 1; 0.1 is usual."
            );
        if (classWeights is not null)
        {
            Requires.SameDevice(labels, classWeights, operation);
            Requires.That(
                classWeights.DType == DType.Float32
                    && classWeights.Shape == new Shape(classes)
                    && !classWeights.RequiresGrad,
                classWeights,
                null,
                $"class weights are float32 [{classes}], a weight a class, and require no gradient",
                operation
            );
        }

        NampCrossEntropyArgs args = NampCrossEntropyArgs.Create();
        args.Labels = (int*)labels.Pointer;
        args.Rows = labels.Count;
        args.Classes = classes;
        args.IgnoreIndex = ignoreIndex;
        args.ClassWeights = classWeights is null ? null : (float*)classWeights.Pointer;
        args.LabelSmoothing = labelSmoothing;
        args.Mean = reduction == Reduction.Mean ? 1 : 0;
        if (labels.Device.IsHostMemory)
            IndexFacts.CheckLabels(args.Labels, args.Rows, args.Classes, ignoreIndex);
        else
            args.BadLabel = labels.Device.IndexFacts.Make(labels.Device);
        return args;
    }

    // The loss alone. With what this pass keeps of each row, the backward pass reads the logits once.
    private static unsafe Tensor Compute(
        Tensor labels,
        Tensor? classWeights,
        NampCrossEntropyArgs* args,
        bool records,
        out Storage? rowSums
    )
    {
        Device device = labels.Device;
        Tensor loss = Tensor.Result(device, DType.Float32, Shape.Scalar);
        args->Loss = (float*)loss.Pointer;
        rowSums = records ? Storage.Allocate(device, DType.Float32, 2 * args->Rows, MemoryKind.Activations) : null;
        args->RowSums = rowSums is null ? null : (float*)rowSums.Pointer;
        Kernels.CrossEntropy(device, args);
        GC.KeepAlive(labels);
        GC.KeepAlive(classWeights);
        return loss;
    }

    private sealed unsafe class CrossEntropyNode : Node
    {
        private readonly Tensor _logits;
        private readonly NampCrossEntropyArgs _forward;

        public CrossEntropyNode(
            Tensor loss,
            Tensor logits,
            Tensor labels,
            Tensor? classWeights,
            Storage rowSums,
            NampCrossEntropyArgs forward
        )
            : base("cross_entropy", loss, logits)
        {
            _logits = logits;
            SavedElements =
            [
                new Saved(logits),
                new Saved(labels),
                Saved.OrNone(classWeights),
                Saved.TakeOver(rowSums, DType.Float32),
            ];
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
}
