using System.Text;
using Spectre.Console;

namespace NativeAmp.Cli.Output;

/// <summary>Where a command writes: results to one writer, troubles to another, and whether a person is watching.</summary>
internal sealed class Terminal(TextWriter output, TextWriter error, IAnsiConsole? live)
{
    /// <summary>Results.</summary>
    public TextWriter Output { get; } = output;

    /// <summary>Troubles and notes.</summary>
    public TextWriter Error { get; } = error;

    /// <summary>A terminal that can redraw, or null where output goes to a file or a pipe.</summary>
    public IAnsiConsole? Live { get; } = live;

    /// <summary>The process's own.</summary>
    public static Terminal OfProcess() => new(
        Writer(1, "cannot write to the standard output", Console.Out),
        Writer(2, failure: null, Console.Error),
        Console.IsOutputRedirected ? null : AnsiConsole.Console);

    /// <summary>A table: drawn on a terminal, in plain columns otherwise.</summary>
    public void WriteTable(IReadOnlyList<string> header, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        if (Live is not null)
        {
            var table = new Table().Border(TableBorder.Rounded);
            foreach (string title in header)
                table.AddColumn(Markup.Escape(title));
            foreach (IReadOnlyList<string> row in rows)
                table.AddRow(row.Select(cell => new Text(cell)));
            Live.Write(table);
            return;
        }

        int[] widths = [.. header.Select((title, i) => rows.Select(row => row[i].Length).Append(title.Length).Max())];
        foreach (IReadOnlyList<string> row in rows.Prepend(header))
            Output.WriteLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
    }

    /// <summary>A text of somebody else's without what would steer a terminal.</summary>
    /// <param name="text">The text.</param>
    /// <param name="keep">Control characters that stay, such as ends of lines.</param>
    public static string Printable(string text, string keep = "") => string.Concat(text.Select(c => char.IsControl(c) && !keep.Contains(c) ? '\uFFFD' : c));

    private static TextWriter Writer(int descriptor, string? failure, TextWriter elsewhere)
    {
        if (OperatingSystem.IsWindows())
            return elsewhere;
        Encoding encoding = elsewhere.Encoding is UTF8Encoding ? new UTF8Encoding(encoderShouldEmitUTF8Identifier: false) : elsewhere.Encoding;
        return new StreamWriter(new DescriptorStream(descriptor, failure), encoding) { AutoFlush = true };
    }
}
