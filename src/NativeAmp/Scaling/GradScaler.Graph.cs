namespace NativeAmp;

// Updates in a graph.
public sealed unsafe partial class GradScaler
{
    private sealed class CapturedUpdate(GradScaler scaler) : IGraphPart
    {
        public void Joins() { }

        public void Captured() { }

        public void Abandoned() => scaler._optimizers.Clear();

        public string? Outdated()
        {
            ObjectDisposedException.ThrowIf(scaler._disposed, scaler);
            return null;
        }

        public void BeforeLaunch() { }

        public void AfterLaunch() => scaler.CountUpdate();

        public void Dispose() { }
    }
}
