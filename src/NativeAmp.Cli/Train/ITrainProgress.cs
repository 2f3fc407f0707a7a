using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>Shows a run to whoever watches.</summary>
internal interface ITrainProgress : IDisposable
{
    /// <summary>A step is done.</summary>
    void Step(in StepReport step);

    /// <summary>Something worth a line of its own: an epoch, a checkpoint, a warning.</summary>
    void Note(string line);
}

/// <summary>Says nothing: for --json.</summary>
internal sealed class SilentProgress : ITrainProgress
{
    public void Step(in StepReport step) { }

    public void Note(string line) { }

    public void Dispose() { }
}
