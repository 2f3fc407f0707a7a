namespace NativeAmp.Training;

// The compute copy in a graph.
public sealed partial class Parameter
{
    /// <summary>A launch reads the compute copy of the capture, which must hold the values of now.</summary>
    private sealed class CapturedCopy(Parameter parameter) : IGraphPart
    {
        private Storage? _half;
        private DType _dtype;

        public void Note() => (_half, _dtype) = (parameter._half, parameter._halfDType);

        public void Joins() { }

        public void Captured() { }

        // A cast that was captured was not made.
        public void Abandoned() => parameter._halfVersion = -1;

        public string? Outdated() =>
            parameter._half == _half
                ? null
                : $"The {_dtype.Name()} copy of the {parameter.Describe()} lies elsewhere than when the step was "
                    + "captured: capture it anew.";

        public void BeforeLaunch() => parameter.InDType(_dtype).Drop();

        public void AfterLaunch() { }

        public void Dispose() { }
    }
}
