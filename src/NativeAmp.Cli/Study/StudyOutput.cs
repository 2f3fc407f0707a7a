using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Study;

/// <summary>What a study says at its end.</summary>
internal static class StudyOutput
{
    /// <summary>Writes it: a table and the decision, or JSON.</summary>
    public static void Write(StudyFigures figures, string? report, bool interrupted, Terminal terminal, bool json)
    {
        if (json)
        {
            terminal.Output.WriteLine(JsonSerializer.Serialize(StudySummary.Of(figures, report, interrupted), StudyJson.Default.StudySummary));
            return;
        }

        terminal.WriteTable(StudyTables.Columns, StudyTables.Rows(figures));
        foreach (string sentence in figures.Any is null ? [] : Decisions.Sentences(figures))
            terminal.Output.WriteLine(sentence);
        if (report is not null)
            terminal.Output.WriteLine($"report: {report}");
        if (interrupted)
            terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"stopped with {figures.Missing} runs left; the same command goes on from there"));
    }

    /// <summary>Shows a report in the browser.</summary>
    /// <exception cref="StudyException">There is none to show it with.</exception>
    public static void Open(string report)
    {
        try
        {
            using Process? shown = Process.Start(new ProcessStartInfo(Path.GetFullPath(report)) { UseShellExecute = true });
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new StudyException($"{report} could not be opened: {e.Message}. Open it with a browser.", e);
        }
    }
}
