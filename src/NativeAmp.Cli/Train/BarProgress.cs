using System.Diagnostics;
using System.Globalization;
using NativeAmp.Training;
using Spectre.Console;

namespace NativeAmp.Cli.Train;

/// <summary>Progress on a terminal: one line, redrawn, with a bar and the figures.</summary>
internal sealed class BarProgress(IAnsiConsole console) : ITrainProgress
{
    private const int Width = 24;
    private const string Erase = "\r\e[2K";
    private static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(100);

    private readonly ProgressFigures _figures = new();
    private long _drawn;
    private bool _open;

    public void Step(in StepReport step)
    {
        _figures.Add(step);
        if (step.Step != step.TotalSteps && _drawn != 0 && Stopwatch.GetElapsedTime(_drawn) < Redraw)
            return;
        _drawn = Stopwatch.GetTimestamp();
        _open = true;
        int full = (int)(Width * step.Step / Math.Max(1, step.TotalSteps));
        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"step {step.Step}/{step.TotalSteps}  loss {_figures.Loss}  scale {ProgressFigures.Scale(step.Scale)}  "
                + $"skipped {step.SkippedSoFar}  {_figures.SamplesPerSecond(step)} samples/s  "
                + $"{_figures.TimeLeft(step)} left"
        );
        // A longer line would wrap, and a wrapped line cannot be redrawn.
        int room = Math.Max(0, console.Profile.Width - Width - 2);
        console.Write(new ControlCode(Erase));
        console.Markup($"[green]{new string('━', full)}[/][grey]{new string('━', Width - full)}[/] ");
        console.Write(new Text(line.Length > room ? line[..room] : line));
    }

    public void Note(string line)
    {
        if (_open)
            console.Write(new ControlCode(Erase));
        _open = false;
        console.WriteLine(line);
    }

    public void Dispose()
    {
        if (_open)
            console.WriteLine();
    }
}
