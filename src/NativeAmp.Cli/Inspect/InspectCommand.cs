using System.CommandLine;
using System.Text.Json;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Inspect;

/// <summary>nativeamp inspect.</summary>
internal sealed class InspectCommand
{
    private readonly Argument<string[]> _paths = new("FILE")
    {
        Description = "Safetensors files, folders of checkpoints or of shards, or an index of shards (model.safetensors.index.json).",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string?> _tensor = new("--tensor") { HelpName = "TEXT", Description = "Only tensors whose names contain this text." };
    private readonly Option<bool> _detail = new("--detail") { Description = "Show each tensor's powers of two and every format." };
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new("inspect", "Show whether the numbers of tensors fit number formats: what overflows, becomes zero or loses bits, and the scale that keeps most.")
        {
            _paths, _tensor, _detail, _json,
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
        InspectReport report = FileInspection.Run([.. paths.SelectMany(InspectInputs.Resolve).Distinct()], name => name.Contains(part, StringComparison.Ordinal));
        if (parsed.GetValue(_json))
            terminal.Output.WriteLine(JsonSerializer.Serialize(report, InspectJson.Default.InspectReport));
        else
            InspectText.Write(report, parsed.GetValue(_detail), terminal);
        return ExitCode.Success;
    }
}
