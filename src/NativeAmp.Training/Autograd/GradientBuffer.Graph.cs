namespace NativeAmp.Training;

// A leaf's gradient in a graph.
internal sealed partial class GradientBuffer
{
    /// <param name="begins">Whether a gradient is written first, not cleared.</param>
    private void JoinGraph(bool begins) =>
        DeviceGraph.CapturedOn(owner.Device)?.Part(this, () => new CapturedGradient(this)).Touch(begins);

    /// <summary>
    /// A launch writes the memory that the capture wrote, adds where that added, and leaves a gradient if that did.
    /// </summary>
    private sealed class CapturedGradient(GradientBuffer buffer) : IGraphPart
    {
        private bool _touched;
        private bool _beganWithout;
        private bool _hadValue;
        private long _hadBegunAt;
        private string? _hadFailure;
        private bool _leavesValue;
        private Storage? _storage;
        private DType _dtype;

        public void Touch(bool begins)
        {
            if (_touched)
                return;
            _touched = true;
            _beganWithout = begins && !buffer.HasValue;
            (_hadValue, _hadBegunAt, _hadFailure) = (buffer.HasValue, buffer._begunAt, buffer._failure);
            _storage = buffer._storage;
        }

        public void Joins() => _touched = false;

        public void Captured()
        {
            _leavesValue = buffer.HasValue;
            _storage = buffer._storage;
            _dtype = buffer._dtype;
            // Nothing was done yet.
            buffer.HasValue = _hadValue;
        }

        public void Abandoned()
        {
            // Memory that the capture took anew holds nothing.
            buffer.HasValue = _hadValue && buffer._storage == _storage;
            (buffer._begunAt, buffer._failure) = (_hadBegunAt, _hadFailure);
        }

        public string? Outdated()
        {
            if (buffer._storage != _storage || buffer._dtype != _dtype)
                return $"The gradient of the {buffer.Name} lies elsewhere, or has another type, than when the step was "
                    + "captured: capture it anew.";
            return _beganWithout && buffer.HasValue
                ? $"The {buffer.Name} has a gradient, which the captured step would overwrite, for it had none when "
                    + "that was captured. Call ZeroGrad before."
                : null;
        }

        public void BeforeLaunch() { }

        public void AfterLaunch()
        {
            buffer.HasValue = _leavesValue;
            buffer._begunAt = buffer.OptimizerMarks;
            buffer._failure = null;
        }

        public void Dispose() { }
    }

    private string Name => owner.Describe();
}
