namespace NativeAmp.Training;

/// <content>The backward pass that the norms share.</content>
public static partial class Ops
{
    /// <summary>Statistics that a node keeps.</summary>
    private static Saved Kept(Storage storage) => Saved.TakeOver(storage, DType.Float32);

    /// <summary>The node of a norm. One call computes the gradients of its input, weight and bias.</summary>
    private abstract unsafe class NormNode : Node
    {
        private readonly Tensor _input;
        private readonly Tensor? _weight;
        private readonly Tensor? _bias;

        /// <summary>Saves the weight, and takes over the kept rows and the statistics.</summary>
        protected NormNode(
            string operation,
            Tensor output,
            Tensor input,
            Tensor? weight,
            Tensor? bias,
            Saved kept,
            Saved[] statistics
        )
            : base(operation, output, input, new Edge(weight, DType.Float32), new Edge(bias, DType.Float32))
        {
            _input = input;
            _weight = weight;
            _bias = bias;
            // Only the input's gradient depends on the weight; the kernel reads it anyway.
            Saved savedWeight =
                weight is null ? default
                : input.RequiresGrad ? new Saved(weight)
                : Kept(weight.Storage.Share());
            SavedElements = [kept, savedWeight, .. statistics];
        }

        protected override Saved[] SavedElements { get; }

        /// <summary>
        /// Whether the native call adds a residual gradient to the input's, and copies the sum in the output's dtype.
        /// </summary>
        protected virtual bool AddsResidual => true;

        public override void Backward()
        {
            var input = new GradientOverwrite(this, _input, _input.DType, always: true, AddsResidual);
            var weight = new GradientOverwrite(this, _weight, DType.Float32);
            var bias = new GradientOverwrite(this, _bias, DType.Float32);
            Node? before = input.IsDirect && AddsResidual ? TakerOfCopy() : null;
            Storage? copy = before is null
                ? null
                : Storage.Allocate(Device, Output.DType, Output.Count, MemoryKind.Gradients);
            var gradients = new InputGradient(input.Pointer, input.Residual, copy is null ? null : copy.Pointer);
            try
            {
                Run(gradients, (float*)weight.Pointer, (float*)bias.Pointer);
            }
            catch
            {
                copy?.Drop();
                throw;
            }

            before?.GradientCopy = copy;
            input.Finish();
            weight.Finish();
            bias.Finish();
        }

        /// <summary>The native call.</summary>
        protected abstract void Run(InputGradient input, float* weightGradient, float* biasGradient);

        // The operator before, if it wants its gradient in the dtype that this norm can copy it in, and this one
        // completes that gradient.
        private Node? TakerOfCopy() =>
            _input.DType == DType.Float32
            && _input.Producer is { } before
            && before.LastUser == this
            && before.CopiedGradientType == Output.DType
                ? before
                : null;

        /// <summary>The memory of the input's gradient, of what is added to it, and of its copy; or null.</summary>
        protected readonly struct InputGradient(void* pointer, void* residual, void* copy)
        {
            public void* Pointer { get; } = pointer;

            public void* Residual { get; } = residual;

            public void* Copy { get; } = copy;
        }
    }
}
