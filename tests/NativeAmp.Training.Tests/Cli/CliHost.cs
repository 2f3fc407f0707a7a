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

    /// <summary>Runs a command that must succeed.</summary>
    /// <returns>Its output.</returns>
    public static string Ok(params string[] arguments)
    {
        (int code, string output, string error) = Run(arguments);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        return output;
    }

    /// <summary>Runs a command that must end with an exit code, and an error that has a text.</summary>
    public static void Refused(int exitCode, string message, params string[] arguments)
    {
        (int code, string output, string error) = Run(arguments);
        Assert.That(code, Is.EqualTo(exitCode), error);
        Assert.That(error, Does.StartWith("nativeamp: ").And.Contain(message));
        Assert.That(output, Is.Empty);
    }
}
