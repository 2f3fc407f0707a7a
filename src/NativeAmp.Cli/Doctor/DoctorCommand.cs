using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Doctor;

/// <summary>nativeamp doctor.</summary>
internal sealed class DoctorCommand
{
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new(
            "doctor",
            "Show the libraries and devices of this machine: which were found, which were not and why, and the consequences."
        )
        {
            _json,
        };
        command.SetAction(parsed => Write(DoctorReport.Examine(), terminal, parsed.GetValue(_json)));
        return command;
    }

    private static int Write(DoctorReport report, Terminal terminal, bool json)
    {
        if (json)
            terminal.Output.WriteLine(JsonSerializer.Serialize(report, DoctorJson.Default.DoctorReport));
        else
        {
            foreach (Finding finding in report.Findings)
            {
                terminal.Output.WriteLine($"{(finding.Found ? "✓" : "✗")} {finding.Name}: {finding.Detail}");
                terminal.Output.WriteLine($"    {finding.Meaning}");
                foreach (NativeLibraryAttempt attempt in finding.Tried ?? [])
                    terminal.Output.WriteLine($"    tried {attempt.Location}: {attempt.Failure ?? "taken"}");
            }
        }

        return report.Ok ? ExitCode.Success : ExitCode.Failure;
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(DoctorReport))]
internal sealed partial class DoctorJson : JsonSerializerContext;
