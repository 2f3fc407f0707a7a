using System.CommandLine;
using System.Text.Json;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Verify;

/// <summary>nativeamp verify DIR.</summary>
internal sealed class VerifyCommand
{
    private readonly Argument<string> _folder = new("DIR")
    {
        Description = "Folder of golden files: adam, scaler, unscale, layers, training, amp_training.",
    };
    private readonly Option<string> _device = CommonOptions.Device();
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        _folder.Validators.Add(result =>
        {
            if (string.IsNullOrWhiteSpace(result.GetValueOrDefault<string>()))
                result.AddError("DIR is empty; it is a folder of golden files.");
        });
        Command command = new("verify", "Compute the cases of golden files on this machine, and compare the results.")
        {
            _folder,
            _device,
            _json,
        };
        command.SetAction(parsed => Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        string folder = parsed.GetRequiredValue(_folder);
        using Device device = CommonOptions.Open(parsed.GetValue(_device)!, terminal);
        VerifyReport report = VerifyReport.Of(folder, device);
        if (parsed.GetValue(_json))
            terminal.Output.WriteLine(JsonSerializer.Serialize(report, VerifyJson.Default.VerifyReport));
        else
            Write(report, folder, terminal);
        return report.Ok ? ExitCode.Success : ExitCode.Failure;
    }

    private static void Write(VerifyReport report, string folder, Terminal terminal)
    {
        terminal.WriteTable(
            ["file", "case", "worst error", "tolerance", "result"],
            [
                .. report.Cases.Select(row =>
                    (string[])[row.File, row.Case, row.WorstError, row.Tolerance, row.Passed ? "pass" : "FAIL"]
                ),
            ]
        );
        foreach (VerifyRow row in report.Cases.Where(row => !row.Passed))
            terminal.Output.WriteLine($"FAIL {row.File} {row.Case}: {row.Detail}");
        foreach (string unknown in report.UnknownFiles)
            terminal.Output.WriteLine($"{unknown}: not a golden file of a known kind, left out");
        int passed = report.Cases.Count(row => row.Passed);
        terminal.Output.WriteLine(
            report.Cases.Count == 0
                ? $"There is no golden file in {folder}."
                : $"{passed} of {report.Cases.Count} cases within tolerance on {report.Device}."
        );
    }
}
