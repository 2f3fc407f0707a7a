using NativeAmp.Cli;
using NativeAmp.Cli.Output;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>Runs the command line inside the test's process, without an interactive terminal.</summary>
internal static class CliHost
{
    public static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var terminal = new Terminal(output, error, live: null);
        int code = CommandRunner.Run(CommandTree.Build(terminal), arguments, terminal);
        return (code, output.ToString(), error.ToString());
    }
}
