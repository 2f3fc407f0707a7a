using NativeAmp.Cli.Output;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>Shows the progress of a run.</summary>
internal interface ITrainProgress : IDisposable
{
    /// <summary>Shows a finished step.</summary>
    void Step(in StepReport step);

    /// <summary>Writes a line: an epoch, a checkpoint, a warning.</summary>
    void Note(string line);

    /// <summary>A bar on a live terminal, lines elsewhere, nothing for --json.</summary>
    static ITrainProgress Create(Terminal terminal, bool json) =>
        json ? new SilentProgress()
        : terminal.Live is { } live ? new BarProgress(live)
        : new LineProgress(terminal.Output);
}

/// <summary>Shows nothing, for --json.</summary>
internal sealed class SilentProgress : ITrainProgress
{
    public void Step(in StepReport step) { }

    public void Note(string line) { }

    public void Dispose() { }
}
