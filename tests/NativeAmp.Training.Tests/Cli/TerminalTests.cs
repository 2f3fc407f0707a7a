using NativeAmp.Cli.Output;
using Spectre.Console;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>Tables on terminals that are too narrow for them.</summary>
public class TerminalTests
{
    private static readonly string[] Header = ["precision", "samples/s", "why"];
    private static readonly string[][] Rows =
    [
        ["FP32", "1745", "no other was faster"],
        ["FP16", "1724", ""],
    ];

    // 9 + 9 + 19 letters; a drawn column takes 3 more and the table 1, a plain one 2 more except the first; the longest
    // words have 9, 9 and 6.
    [TestCase(47, "│ precision │ samples/s │ why                 │")]
    [TestCase(46, "precision  samples/s  why")]
    [TestCase(41, "precision  samples/s  why")]
    [TestCase(40, "│ precision │ samples/s │ why")]
    [TestCase(34, "│ precision │ samples/s │ why")]
    [TestCase(33, "precision FP16, samples/s 1724")]
    public void A_table_is_drawn_or_plain_or_rows_as_its_room_allows(int width, string line)
    {
        using var output = new StringWriter();
        IAnsiConsole live = AnsiConsole.Create(
            new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Ansi = AnsiSupport.No }
        );
        live.Profile.Width = width;
        new Terminal(output, output, live).WriteTable(Header, Rows);
        string[] lines = output.ToString().Split('\n');
        Assert.That(lines, Has.Some.StartsWith(line));
        Assert.That(lines.Max(text => text.TrimEnd().Length), Is.LessThanOrEqualTo(width));
        Assert.That(output.ToString(), Does.Not.Contain("…").And.Contain("faster"));
    }
}
