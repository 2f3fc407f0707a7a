using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>Shows the progress of a run.</summary>
internal interface ITrainProgress : IDisposable
{
    /// <summary>Shows a finished step.</summary>
    void Step(in StepReport step);

    /// <summary>Writes a line: an epoch, a checkpoint, a warning.</summary>
    void Note(string line);
}

/// <summary>Shows nothing, for --json.</summary>
internal sealed class SilentProgress : ITrainProgress
{
    public void Step(in StepReport step) { }

    public void Note(string line) { }

    public void Dispose() { }
}
