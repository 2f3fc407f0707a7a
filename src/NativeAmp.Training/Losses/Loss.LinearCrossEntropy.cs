using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>A linear layer with the loss behind it.</content>
public static partial class Loss
{
    /// <summary>
    /// Softmax cross-entropy of input · weightᵀ and class indices: <see cref="Ops.Linear"/> and
    /// <see cref="CrossEntropy"/> in one operator, for a head with many classes. The logits are not a tensor: the
    /// backward pass writes their gradient over them, so that there is one such matrix instead of two. In half
    /// precision its rows begin at multiples of 16 bytes for any number of classes, and the weight's compute copy and
    /// gradient have room for as many rows. Under an observer the two operators are apart, so that it sees the logits.
    /// </summary>
    /// <param name="input">[..., in].</param>
    /// <param name="weight">[classes, in].</param>
    /// <param name="labels">int32 [...]: the class of each row.</param>
    /// <param name="reduction">Mean over the rows that are not ignored, or sum.</param>
    /// <param name="ignoreIndex">Rows with this label are ignored.</param>
    /// <param name="classWeights">As of <see cref="CrossEntropy"/>.</param>
    /// <param name="labelSmoothing">As of <see cref="CrossEntropy"/>.</param>
    /// <exception cref="IndexRangeException">As <see cref="CrossEntropy"/>.</exception>
    public static unsafe Tensor LinearCrossEntropy(
        Tensor input,
        Tensor weight,
        Tensor labels,
        Reduction reduction = Reduction.Mean,
        int ignoreIndex = DefaultIgnoreIndex,
        Tensor? classWeights = null,
        float labelSmoothing = 0
    )
    {
        const string Name = nameof(LinearCrossEntropy);
        Requires.FloatingPoint(input, Name);
        Requires.FloatingPoint(weight, Name);
        Requires.Int32(labels, Name);
        Requires.SameDevice(input, weight, Name);
        Requires.SameDevice(input, labels, Name);
        Requires.That(
            weight.Shape.Rank == 2 && weight.Shape[0] >= 1,
            weight,
            null,
            "a weight is [classes, in] with a class at the least",
            Name
        );
        Requires.That(
            input.Shape.Rank >= 1
                && input.Shape[-1] == weight.Shape[1]
                && labels.Shape == new Shape(input.Shape.Dimensions[..^1]),
            input,
            labels,
            $"the input is [..., {weight.Shape[1]}], as the weight's last dimension, and labels [...], one a row",
            Name
        );
        if (ObserverFrame.Current is not null)
            return CrossEntropy(
                Ops.Linear(input, weight),
                labels,
                reduction,
                ignoreIndex,
                classWeights,
                labelSmoothing
            );

        NampCrossEntropyArgs args = Arguments(
            labels,
            weight.Shape[0],
            reduction,
            ignoreIndex,
            classWeights,
            labelSmoothing
        );
        DType dtype = Precision.Of("linear", input, weight);
        bool isPadded = dtype != DType.Float32 && weight is Parameter { DType: DType.Float32 };
        if (isPadded)
            ((Parameter)weight).PadRows();
        var x = new Operand(input, dtype);
        var w = new Operand(weight, dtype);
        long rows = labels.Count;
        long width = weight.Shape[1];
        long stride = isPadded ? RowPadding.Of(weight.Shape[0]) : weight.Shape[0];
        Storage logits = Tensor.Allocate(input.Device, dtype, rows * stride);
        var target = new GradientTarget(logits, dtype, accumulate: false);
        Ops.DenseProduct(
            input.Device,
            dtype,
            (rows, stride, width),
            x.Pointer,
            false,
            w.Pointer,
            true,
            target,
            rows * stride
        );
        ProductLog.Note("linear", dtype, rows, stride, width);

        args.LogitsDtype = (int)dtype;
        args.Logits = logits.Pointer;
        args.RowStride = stride;
        Tensor loss = Compute(labels, classWeights, &args, Ops.Records(input, weight), out Storage? rowSums);
        if (rowSums is null)
            logits.Drop();
        else
            Ops.Record(new LinearCrossEntropyNode(loss, x, w, labels, classWeights, logits, rowSums, args));
        x.Release();
        w.Release();
        return loss;
    }

    private sealed unsafe class LinearCrossEntropyNode(
        Tensor loss,
        Operand input,
        Operand weight,
        Tensor labels,
        Tensor? classWeights,
        Storage logits,
        Storage rowSums,
        NampCrossEntropyArgs forward
    ) : Node("linear_cross_entropy", loss, input, weight)
    {
        private readonly DType _dtype = weight.DType;
        private readonly Tensor _input = input.Source;
        private readonly Tensor _weight = weight.Source;
        private readonly Saved _x = weight.Source.RequiresGrad ? input.Save() : default;
        private readonly Saved _w = input.Source.RequiresGrad ? weight.Save() : default;
        private readonly Saved _labels = new(labels);
        private readonly Saved _classWeights = Saved.OrNone(classWeights);
        private readonly Saved _logits = Saved.TakeOver(logits, weight.DType);
        private readonly Saved _rowSums = Saved.TakeOver(rowSums, DType.Float32);

        protected override Saved[] SavedElements => [_x, _w, _labels, _classWeights, _logits, _rowSums];

        public override void Backward()
        {
            long rows = forward.Rows;
            long stride = forward.RowStride;
            long width = _weight.Shape[1];
            Storage gradient = IsLastPass
                ? logits.Share()
                : Storage.Allocate(Device, _dtype, rows * stride, MemoryKind.Gradients);
            NampCrossEntropyArgs args = forward;
            args.Loss = null;
            args.BadLabel = null;
            args.Gradient = gradient.Pointer;
            args.GradientDtype = (int)_dtype;
            args.Upstream = (float*)OutputGradient.Pointer;
            Kernels.CrossEntropy(Device, &args);
            if (Wants(_weight))
            {
                GradientTarget target = _weight.GradientBuffer.Open();
                // A gradient that lay there before the first such loss has no room behind its rows.
                long classes = target.Capacity < stride * width ? forward.Classes : stride;
                Ops.DenseProduct(
                    Device,
                    _dtype,
                    (classes, width, rows),
                    gradient.Pointer,
                    true,
                    _x.Pointer,
                    false,
                    target,
                    classes * width,
                    lda: stride
                );
            }

            if (Wants(_input))
                Ops.DenseProduct(
                    Device,
                    _dtype,
                    (rows, width, stride),
                    gradient.Pointer,
                    false,
                    _w.Pointer,
                    false,
                    _input.GradientBuffer.Open(),
                    _input.Count
                );
            gradient.Drop();
        }
    }
}
