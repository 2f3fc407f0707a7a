using System.Text;
using Spectre.Console;

namespace NativeAmp.Cli.Output;

/// <summary>
/// The output of a command: a writer for results, one for errors, and the console if it is interactive.
/// </summary>
internal sealed class Terminal(TextWriter output, TextWriter error, IAnsiConsole? live)
{
    // Between plain columns.
    private const int Gap = 2;

    /// <summary>Writer of results.</summary>
    public TextWriter Output { get; } = output;

    /// <summary>Writer of errors and notes.</summary>
    public TextWriter Error { get; } = error;

    /// <summary>A console that can redraw, or null if output goes to a file or a pipe.</summary>
    public IAnsiConsole? Live { get; } = live;

    /// <summary>The terminal of the process.</summary>
    public static Terminal OfProcess() =>
        new(
            Writer(1, "cannot write to the standard output", Console.Out),
            Writer(2, failure: null, Console.Error),
            Console.IsOutputRedirected ? null : AnsiConsole.Console
        );

    /// <summary>
    /// Writes a table. On a terminal it is drawn with lines if it fits, or else in plain columns if they fit. Output to
    /// a file or a pipe is always in plain columns. A wider table is drawn with cells wrapped between words; if words
    /// would be cut, each row becomes lines of headings and cells.
    /// </summary>
    public void WriteTable(IReadOnlyList<string> header, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        int[] widths = Widths(header, rows, text => text.Length);
        int[] words = Widths(header, rows, text => text.Split(' ').Max(word => word.Length));
        int room = Live?.Profile.Width ?? int.MaxValue,
            plain = widths.Sum() + (Gap * (widths.Length - 1));
        if (Live is null || (Drawn(widths) > room && plain <= room))
        {
            foreach (IReadOnlyList<string> row in rows.Prepend(header))
                Output.WriteLine(
                    string.Join(new string(' ', Gap), row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd()
                );
        }
        else if (Drawn(words) > room)
        {
            foreach (IReadOnlyList<string> row in rows)
                Live.WriteLine(
                    string.Join(
                        ", ",
                        header
                            .Zip(row)
                            .Where(cell => cell.Second.Length > 0)
                            .Select(cell => $"{cell.First} {cell.Second}".TrimStart())
                    )
                );
        }
        else
        {
            var table = new Table().Border(TableBorder.Rounded);
            for (int i = 0; i < header.Count; i++)
                table.AddColumn(new TableColumn(Markup.Escape(header[i])) { NoWrap = words[i] == widths[i] });
            foreach (IReadOnlyList<string> row in rows)
                table.AddRow(row.Select(cell => new Text(cell)));
            Live.Write(table);
        }
    }

    private static int[] Widths(
        IReadOnlyList<string> header,
        IReadOnlyList<IReadOnlyList<string>> rows,
        Func<string, int> width
    ) => [.. header.Select((title, i) => rows.Select(row => width(row[i])).Append(width(title)).Max())];

    // A drawn column has a line and a space at either side; the last has one more line.
    private static int Drawn(int[] widths) => widths.Sum() + (3 * widths.Length) + 1;

    /// <summary>A foreign text without control characters.</summary>
    /// <param name="text">The text.</param>
    /// <param name="keep">Control characters to keep, such as line ends.</param>
    public static string Printable(string text, string keep = "") =>
        string.Concat(text.Select(c => char.IsControl(c) && !keep.Contains(c) ? '\uFFFD' : c));

    private static TextWriter Writer(int descriptor, string? failure, TextWriter elsewhere)
    {
        if (OperatingSystem.IsWindows())
            return elsewhere;
        Encoding encoding =
            elsewhere.Encoding is UTF8Encoding
                ? new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)
                : elsewhere.Encoding;
        return new StreamWriter(new DescriptorStream(descriptor, failure), encoding) { AutoFlush = true };
    }
}
