using System.CommandLine;
using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Inspect;

/// <summary>nativeamp inspect.</summary>
internal sealed class InspectCommand
{
    private readonly Argument<string[]> _paths = new("FILE")
    {
        Description =
            "Safetensors files, folders of checkpoints or of shards, an index of shards "
            + "(model.safetensors.index.json), or a file of train --inspect-out (FILE.jsonl).",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string?> _tensor = new("--tensor")
    {
        HelpName = "TEXT",
        Description = "Only tensors whose names contain this text.",
    };
    private readonly Option<bool> _detail = new("--detail")
    {
        Description = "Show each tensor's powers of two and every format.",
    };
    private readonly Option<long?> _step = NumberOption.Whole(
        "--step",
        1L,
        long.MaxValue,
        "The step to show of a FILE.jsonl [default: the last that did not fail]."
    );
    private readonly Option<string?> _html = CommonOptions.Html();
    private readonly Option<string?> _charts = CommonOptions.Charts();
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new(
            "inspect",
            "Show whether the numbers of tensors fit number formats: which numbers overflow, become zero or lose bits, and "
                + "the scale that keeps most."
        )
        {
            _paths,
            _tensor,
            _step,
            _detail,
            _html,
            _charts,
            _json,
        };
        command.SetAction(parsed => Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        string[] paths = parsed.GetValue(_paths)!;
        if (paths.Any(string.IsNullOrWhiteSpace))
            throw new UsageException("FILE is empty.");
        string part = parsed.GetValue(_tensor) ?? "";
        (InspectReport report, StepRecord? step) = Read(
            paths,
            parsed.GetValue(_step),
            name => name.Contains(part, StringComparison.Ordinal)
        );
        if (parsed.GetValue(_html) is { } html)
            InspectPage.Of(report, step).Save(html);
        if (parsed.GetValue(_charts) is { } folder)
            ExponentChart.Save(InspectPage.Pictures(report, step), folder);
        if (parsed.GetValue(_json))
            terminal.Output.WriteLine(JsonSerializer.Serialize(report, InspectJson.Default.InspectReport));
        else
            InspectText.Write(report, step?.Scale ?? 1, parsed.GetValue(_detail), terminal);
        return ExitCode.Success;
    }

    private static (InspectReport Report, StepRecord? Step) Read(
        string[] paths,
        long? step,
        Func<string, bool> isWanted
    )
    {
        if (paths is not [var path] || !path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase))
        {
            if (step is not null || paths.Any(each => each.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase)))
                throw new UsageException("A FILE.jsonl is inspected alone, and --step needs one.");
            return (FileInspection.Run([.. paths.SelectMany(InspectInputs.Resolve).Distinct()], isWanted), null);
        }

        StepRecord record = StepLog.Read(path, step);
        TensorReport[] tensors = [.. record.Tensors.Where(tensor => isWanted(tensor.Name))];
        if (tensors.Length == 0)
            throw new DataFormatException(path, 0, "no tensor of such a name", "one to inspect");
        // The totals in the file are of all tensors.
        return (
            new InspectReport(
                [path],
                tensors,
                tensors.Length == record.Tensors.Count ? record.Totals : ChosenTotals.Of(tensors, record.Compute)
            ),
            record
        );
    }
}
