using System.CommandLine;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Study;

/// <summary>nativeamp study report: writes the report of a study again, or compares two studies.</summary>
internal sealed class StudyReportCommand
{
    private readonly Argument<string[]> _folders = new("DIR")
    {
        Description = "Folder of a study. With two folders, the second study is compared with the first.",
        Arity = new ArgumentArity(1, 2),
    };

    private readonly Option<string?> _out = CommonOptions.Path(
        "--out",
        "FILE.html",
        "File for the comparison of two studies [default: comparison.html in the second folder]."
    );
    private readonly Option<bool> _open = new("--open") { Description = "Show the report in the browser." };

    /// <summary>The command, to be added to its parent.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new("report", "Write the report of a study again, or compare two studies.")
        {
            _folders,
            _out,
            _open,
        };
        command.SetAction(parsed =>
        {
            StudyFolder[] folders = [.. parsed.GetValue(_folders)!.Select(path => new StudyFolder(path))];
            StudyFigures[] figures = [.. folders.Select(StudyFigures.Read)];
            foreach (StudyFigures empty in figures.Where(f => f.Any is null))
                throw new StudyException($"{empty.Folder} has no completed run: there is nothing to report.");
            string report =
                figures.Length == 1
                    ? StudyReport.Write(folders[0], figures[0])
                    : ComparisonReport.Write(
                        parsed.GetValue(_out) ?? folders[1].In("comparison.html"),
                        figures[0],
                        figures[1]
                    );
            terminal.Output.WriteLine($"report: {report}");
            if (parsed.GetValue(_open))
                StudyOutput.Open(report, terminal);
            return ExitCode.Success;
        });
        return command;
    }
}
