using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Study;

/// <summary>The output of a study at its end.</summary>
internal static class StudyOutput
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>Writes a table and the decision, or JSON.</summary>
    public static void Write(StudyFigures figures, string? report, bool interrupted, Terminal terminal, bool json)
    {
        if (json)
        {
            terminal.Output.WriteLine(
                JsonSerializer.Serialize(StudySummary.Of(figures, report, interrupted), StudyJson.Default.StudySummary)
            );
            return;
        }

        StudyTable table = StudyTables.Configurations(figures);
        terminal.WriteTable(table.Columns, table.Rows);
        foreach (string sentence in figures.Any is null ? [] : Decisions.Sentences(figures))
            terminal.Output.WriteLine(sentence);
        if (report is not null)
            terminal.Output.WriteLine($"report: {report}");
        if (interrupted)
            terminal.Output.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"stopped with {figures.Missing} runs left; the same command goes on from there"
                )
            );
    }

    /// <summary>
    /// Shows a report in the browser. If that is not possible it writes a note; the study is still valid.
    /// </summary>
    public static void Open(string report, Terminal terminal)
    {
        string? why = null;
        try
        {
            using Process? shown = Process.Start(Opener(Path.GetFullPath(report)));
            // It fails at once, or ends when the reader closes it.
            if (!OperatingSystem.IsWindows() && shown is not null && shown.WaitForExit(Patience) && shown.ExitCode != 0)
                why = "no program here shows it";
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            why = e.Message;
        }

        if (why is not null)
            terminal.Error.WriteLine(
                $"nativeamp: {report} could not be opened: {why.TrimEnd('.')}. Open it with a browser."
            );
    }

    // The browser's messages must not mix with our own lines or JSON.
    private static ProcessStartInfo Opener(string path) =>
        OperatingSystem.IsWindows()
            ? new ProcessStartInfo(path) { UseShellExecute = true }
            : new ProcessStartInfo(
                "/bin/sh",
                [
                    "-c",
                    "exec \"$0\" \"$1\" </dev/null >/dev/null 2>&1",
                    OperatingSystem.IsMacOS() ? "open" : "xdg-open",
                    path,
                ]
            );
}
