using System.Globalization;
using NativeAmp.Cli.Output;
using Spectre.Console;

namespace NativeAmp.Cli.Study;

/// <summary>The progress of a study.</summary>
/// <param name="Name">Name of the run.</param>
/// <param name="Index">Number of the run, from 1.</param>
/// <param name="Count">Total number of runs.</param>
/// <param name="Part">Estimated completed part of the run, from 0 to 1.</param>
/// <param name="Left">Time left for all runs; null if unknown.</param>
internal readonly record struct StudyMoment(string Name, int Index, int Count, double Part, TimeSpan? Left);

/// <summary>Shows the progress of a study: a bar on a terminal, lines elsewhere, nothing with --json.</summary>
internal abstract class StudyProgress
{
    /// <summary>The kind of progress for a terminal.</summary>
    public static StudyProgress For(Terminal terminal, bool json) =>
        json ? new Silent()
        : terminal.Live is { } console ? new Bar(console)
        : new Lines(terminal.Output);

    /// <summary>Runs the work and shows its progress.</summary>
    public abstract T Run<T>(Func<T> work);

    /// <summary>Shows the current progress.</summary>
    public abstract void Show(in StudyMoment moment);

    /// <summary>Writes a line: the outcome of a run.</summary>
    public abstract void Note(string line);

    /// <summary>Formats a time as h:mm:ss or m:ss.</summary>
    public static string Time(TimeSpan time) =>
        time.TotalHours >= 1
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"{(long)time.TotalHours}:{time.Minutes:D2}:{time.Seconds:D2}"
            )
            : string.Create(CultureInfo.InvariantCulture, $"{time.Minutes}:{time.Seconds:D2}");

    private static string Left(in StudyMoment moment) => moment.Left is { } left ? $", {Time(left)} left" : "";

    private sealed class Silent : StudyProgress
    {
        public override T Run<T>(Func<T> work) => work();

        public override void Show(in StudyMoment moment) { }

        public override void Note(string line) { }
    }

    private sealed class Lines(TextWriter output) : StudyProgress
    {
        private string _shown = "";

        public override T Run<T>(Func<T> work) => work();

        public override void Show(in StudyMoment moment)
        {
            if (moment.Name == _shown)
                return;
            _shown = moment.Name;
            output.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"run {moment.Index}/{moment.Count}  {moment.Name}{Left(moment)}"
                )
            );
        }

        public override void Note(string line) => output.WriteLine(line);
    }

    private sealed class Bar(IAnsiConsole console) : StudyProgress
    {
        private ProgressTask? _task;

        public override T Run<T>(Func<T> work) =>
            console
                .Progress()
                .AutoClear(true)
                .Columns(
                    new TaskDescriptionColumn { Alignment = Justify.Left },
                    new ProgressBarColumn(),
                    new PercentageColumn()
                )
                .Start(context =>
                {
                    _task = context.AddTask("study");
                    return work();
                });

        public override void Show(in StudyMoment moment)
        {
            if (_task is null)
                return;
            _task.MaxValue = moment.Count;
            _task.Value = moment.Index - 1 + moment.Part;
            _task.Description = Markup.Escape(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{moment.Index}/{moment.Count} {moment.Name}{Left(moment)}"
                )
            );
        }

        public override void Note(string line) => console.WriteLine(line);
    }
}
