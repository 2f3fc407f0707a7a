using System.CommandLine;
using System.Text.Json;
using NativeAmp.Cli.Inspect;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Formats;

/// <summary>nativeamp formats.</summary>
internal sealed class FormatsCommand
{
    private readonly Argument<string[]> _numbers = new("NUMBER")
    {
        Description =
            "Numbers to show in each format: 0.1, 1e-8, -0, inf, nan, 0x1p-24, or bits such as fp16:0x3c00. None "
            + "shows the formats.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string?> _html = CommonOptions.Html();
    private readonly Option<string?> _charts = CommonOptions.Charts();
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new(
            "formats",
            "Show number formats, fp32 to int4: bits, range, precision; or a number as each format holds it."
        )
        {
            _numbers,
            _html,
            _charts,
            _json,
        };
        command.SetAction(parsed => Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        string[] texts = parsed.GetValue(_numbers) ?? [];
        AskedNumber[] numbers = [.. texts.Select(Read)];
        if (parsed.GetValue(_html) is { } html)
            FormatsPage.Of(numbers).Save(html);
        if (parsed.GetValue(_charts) is { } folder)
            ExponentChart.Save([ExponentChart.Formats(NumberFormat.All)], folder);
        if (parsed.GetValue(_json))
        {
            var report =
                texts.Length == 0
                    ? new FormatsReport([.. NumberFormat.All.Select(FormatFacts.Of)], null)
                    : new FormatsReport(null, numbers);
            terminal.Output.WriteLine(JsonSerializer.Serialize(report, FormatsJson.Default.FormatsReport));
            return ExitCode.Success;
        }

        if (texts.Length == 0)
            FormatsText.WriteFormats(terminal);
        for (int i = 0; i < numbers.Length; i++)
        {
            if (i > 0)
                terminal.Output.WriteLine();
            FormatsText.WriteNumber(numbers[i], terminal);
        }

        return ExitCode.Success;
    }

    private static AskedNumber Read(string text)
    {
        try
        {
            return AskedNumber.Read(text);
        }
        catch (FormatException e)
        {
            throw new UsageException(e.Message);
        }
    }
}
