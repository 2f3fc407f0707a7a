namespace NativeAmp.Training;

/// <content>What the norms share on the tape.</content>
public static partial class Ops
{
    /// <summary>A norm: the gradients of its input, weight and bias in one call.</summary>
    private abstract unsafe class NormNode : Node
    {
        private readonly Tensor _input;
        private readonly Tensor? _weight;
        private readonly Tensor? _bias;
        private readonly Saved _kept;
        private readonly Saved _savedWeight;
        private readonly Storage?[] _statistics;

        /// <summary>Saves the weight, and takes over what was kept and the statistics (those that are there).</summary>
        protected NormNode(Tensor output, Tensor input, Tensor? weight, Tensor? bias, Saved kept, params Storage?[] statistics)
            : base(output)
        {
            _input = input;
            _weight = weight;
            _bias = bias;
            _kept = kept;
            _savedWeight = weight is null ? default : new Saved(weight);
            _statistics = statistics;
            Expect(input, input.DType);
            Expect(weight, DType.Float32);
            Expect(bias, DType.Float32);
        }

        public override void Backward()
        {
            var input = new GradientOverwrite(_input, _input.DType, always: true);
            var weight = new GradientOverwrite(_weight, DType.Float32);
            var bias = new GradientOverwrite(_bias, DType.Float32);
            Run(OutputGradient.Pointer, input.Pointer, (float*)weight.Pointer, (float*)bias.Pointer);
            input.Finish();
            weight.Finish();
            bias.Finish();
        }

        public override void Release()
        {
            _kept.Drop();
            _savedWeight.Drop();
            foreach (Storage? statistic in _statistics)
                statistic?.Drop();
        }

        /// <summary>The native call.</summary>
        protected abstract void Run(void* outputGradient, void* inputGradient, float* weightGradient, float* biasGradient);
    }
}
