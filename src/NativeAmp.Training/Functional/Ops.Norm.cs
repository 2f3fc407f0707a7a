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

        /// <summary>Whether the native call adds a residual gradient to the input's.</summary>
        protected virtual bool AddsResidual => true;

        public override void Backward()
        {
            var input = new GradientOverwrite(this, _input, _input.DType, always: true, AddsResidual);
            var weight = new GradientOverwrite(this, _weight, DType.Float32);
            var bias = new GradientOverwrite(this, _bias, DType.Float32);
            Run(input.Pointer, input.Residual, (float*)weight.Pointer, (float*)bias.Pointer);
            input.Finish();
            weight.Finish();
            bias.Finish();
        }

        /// <summary>The native call.</summary>
        protected abstract void Run(
            void* inputGradient,
            void* residualGradient,
            float* weightGradient,
            float* biasGradient
        );
    }
}
