using System.Globalization;
using NativeAmp.Cli.Output;
using Spectre.Console;

namespace NativeAmp.Cli.Study;

/// <summary>Where a study stands.</summary>
/// <param name="Name">Of the run.</param>
/// <param name="Index">Which run of all it is, from 1.</param>
/// <param name="Count">Runs in all.</param>
/// <param name="Part">Of the run, from 0 to 1, as far as that can be told.</param>
/// <param name="Left">Time that all runs still take; null where nothing is known yet.</param>
internal readonly record struct StudyMoment(string Name, int Index, int Count, double Part, TimeSpan? Left);

/// <summary>Shows a study to whoever watches: a bar on a terminal, lines elsewhere, nothing beside JSON.</summary>
internal abstract class StudyProgress
{
    /// <summary>The one that fits.</summary>
    public static StudyProgress For(Terminal terminal, bool json) =>
        json ? new Silent()
        : terminal.Live is { } console ? new Bar(console)
        : new Lines(terminal.Output);

    /// <summary>Does the work, with something to show it.</summary>
    public abstract T Run<T>(Func<T> work);

    /// <summary>Where it stands now.</summary>
    public abstract void Show(in StudyMoment moment);

    /// <summary>A line of its own: what a run came to.</summary>
    public abstract void Note(string line);

    /// <summary>As h:mm:ss or m:ss.</summary>
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
