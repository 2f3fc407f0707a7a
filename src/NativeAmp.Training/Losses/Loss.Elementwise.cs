using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Losses of each element by itself.</content>
public static partial class Loss
{
    /// <summary>The mean (or sum) of the squared differences.</summary>
    /// <param name="prediction">Any shape.</param>
    /// <param name="target">The same shape.</param>
    /// <param name="reduction">Mean over the elements, or sum.</param>
    public static Tensor MeanSquaredError(Tensor prediction, Tensor target, Reduction reduction = Reduction.Mean) =>
        OfElements(NampLossKind.Mse, "mse", prediction, target, reduction, 0, null, nameof(MeanSquaredError));

    /// <summary>The mean (or sum) of the absolute differences. The slope of a difference of 0 is 0.</summary>
    /// <param name="prediction">Any shape.</param>
    /// <param name="target">The same shape.</param>
    /// <param name="reduction">Mean over the elements, or sum.</param>
    public static Tensor L1(Tensor prediction, Tensor target, Reduction reduction = Reduction.Mean) =>
        OfElements(NampLossKind.SmoothL1, "l1", prediction, target, reduction, 0, null, nameof(L1));

    /// <summary>
    /// The mean (or sum) of d² / (2 β) where a difference d is less than β in magnitude, and of |d| - β / 2 elsewhere.
    /// Times β it is Huber's loss.
    /// </summary>
    /// <param name="prediction">Any shape.</param>
    /// <param name="target">The same shape.</param>
    /// <param name="beta">Finite, 0 or more; with 0 it is <see cref="L1"/>.</param>
    /// <param name="reduction">Mean over the elements, or sum.</param>
    public static Tensor SmoothL1(
        Tensor prediction,
        Tensor target,
        float beta = 1,
        Reduction reduction = Reduction.Mean
    )
    {
        if (!(beta >= 0 && float.IsFinite(beta)))
            throw new ArgumentOutOfRangeException(
                nameof(beta),
                beta,
                "β is finite and 0 or more; 1 is usual, 0 is the absolute difference."
            );
        return OfElements(
            NampLossKind.SmoothL1,
            "smooth_l1",
            prediction,
            target,
            reduction,
            beta,
            null,
            nameof(SmoothL1)
        );
    }

    /// <summary>
    /// Cross-entropy of two classes, from logits: of each element -(w t log σ(x) + (1 - t) log σ(-x)), where x is the
    /// logit, t the target and σ the sigmoid. No sigmoid is computed that could round to 0 or 1.
    /// </summary>
    /// <param name="logits">Any shape.</param>
    /// <param name="targets">The same shape: the probability of the positive class, usually 0 or 1.</param>
    /// <param name="positiveWeight">
    /// float32, w: the weight of positive targets, in the shape of the logits or of their innermost dimensions, such as
    /// one a class; null for ones. It gets no gradient.
    /// </param>
    /// <param name="reduction">Mean over the elements, or sum.</param>
    public static Tensor BinaryCrossEntropyWithLogits(
        Tensor logits,
        Tensor targets,
        Tensor? positiveWeight = null,
        Reduction reduction = Reduction.Mean
    )
    {
        const string Name = nameof(BinaryCrossEntropyWithLogits);
        Requires.FloatingPoint(logits, Name);
        if (positiveWeight is not null)
        {
            Requires.SameDevice(logits, positiveWeight, Name);
            Requires.That(
                positiveWeight.DType == DType.Float32
                    && positiveWeight.Shape.IsSuffixOf(logits.Shape)
                    && !positiveWeight.RequiresGrad,
                logits,
                positiveWeight,
                "weights are float32, have the logits' shape or that of their innermost dimensions, and require no "
                    + "gradient",
                Name
            );
        }

        return OfElements(
            NampLossKind.BinaryCrossEntropy,
            "binary_cross_entropy_with_logits",
            logits,
            targets,
            reduction,
            0,
            positiveWeight,
            Name
        );
    }

    private static unsafe Tensor OfElements(
        NampLossKind kind,
        string operation,
        Tensor prediction,
        Tensor target,
        Reduction reduction,
        float beta,
        Tensor? positiveWeight,
        string name
    )
    {
        Requires.FloatingPoint(prediction, name);
        Requires.FloatingPoint(target, name);
        Requires.SameDevice(prediction, target, name);
        Requires.That(prediction.Shape == target.Shape, prediction, target, "both must have one shape", name);
        NampElementLossArgs args = NampElementLossArgs.Create();
        args.Kind = (int)kind;
        args.PredictionDtype = (int)prediction.DType;
        args.Prediction = prediction.Pointer;
        args.Target = target.Pointer;
        args.TargetDtype = (int)target.DType;
        args.Mean = reduction == Reduction.Mean ? 1 : 0;
        args.Count = prediction.Count;
        args.Beta = beta;
        args.PositiveWeight = positiveWeight is null ? null : (float*)positiveWeight.Pointer;
        args.WeightPeriod = positiveWeight?.Count ?? 0;
        Tensor loss = Tensor.Result(prediction.Device, DType.Float32, Shape.Scalar);
        args.Loss = (float*)loss.Pointer;
        NativeOps.ElementLoss(prediction.Device, args);
        GC.KeepAlive(positiveWeight);
        return Ops.Records(prediction, target)
            ? Ops.Record(new ElementLossNode(operation, loss, prediction, target, positiveWeight, args))
            : loss;
    }

    private sealed unsafe class ElementLossNode : Node
    {
        private readonly Tensor _prediction;
        private readonly Tensor _target;
        private readonly NampElementLossArgs _forward;

        public ElementLossNode(
            string operation,
            Tensor loss,
            Tensor prediction,
            Tensor target,
            Tensor? positiveWeight,
            NampElementLossArgs forward
        )
            : base(operation, loss, prediction, target)
        {
            _prediction = prediction;
            _target = target;
            SavedElements = [new Saved(prediction), new Saved(target), Saved.OrNone(positiveWeight)];
            _forward = forward;
        }

        protected override Saved[] SavedElements { get; }

        public override void Backward()
        {
            Write(_prediction, isTarget: false);
            Write(_target, isTarget: true);
        }

        private void Write(Tensor input, bool isTarget)
        {
            if (!Wants(input))
                return;
            NampElementLossArgs args = _forward;
            var gradient = new GradientOverwrite(this, input, input.DType);
            args.Loss = null;
            args.ForTarget = isTarget ? 1 : 0;
            args.Gradient = gradient.Pointer;
            args.GradientDtype = (int)gradient.DType;
            args.Upstream = (float*)OutputGradient.Pointer;
            NativeOps.ElementLoss(Device, args);
            gradient.Finish();
        }
    }
}
