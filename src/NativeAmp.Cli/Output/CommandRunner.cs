using System.CommandLine;
using NativeAmp.Planning;
using NativeAmp.Training;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Export;

namespace NativeAmp.Cli.Output;

/// <summary>
/// Runs a parsed command: bad arguments and failures become one clear line and an exit code, never a stack trace.
/// </summary>
internal static class CommandRunner
{
    private const string VerboseName = "--verbose";

    /// <summary>
    /// Shows the stack trace of a failure. An option of its own for each tree: a shared one would hold every tree that
    /// it was ever part of.
    /// </summary>
    public static Option<bool> Verbose() =>
        new(VerboseName) { Description = "Show the stack trace of a failure.", Recursive = true };

    /// <summary>Parses and runs.</summary>
    /// <returns>The exit code.</returns>
    public static int Run(Command root, IReadOnlyList<string> arguments, Terminal terminal)
    {
        // The parser would take the next argument as the value.
        if (arguments.FirstOrDefault(argument => argument is ['-', '-', _, .., '=']) is { } empty)
        {
            terminal.Error.WriteLine($"nativeamp: {empty[..^1]} is empty.");
            return ExitCode.Usage;
        }

        ParseResult parsed = root.Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            foreach (string message in parsed.Errors.Select(error => error.Message).Distinct())
                terminal.Error.WriteLine($"nativeamp: {message}");
            terminal.Error.WriteLine($"Try 'nativeamp {Path(parsed)}--help'.");
            return ExitCode.Usage;
        }

        try
        {
            return parsed.Invoke(
                new InvocationConfiguration
                {
                    EnableDefaultExceptionHandler = false,
                    Output = terminal.Output,
                    Error = terminal.Error,
                    ProcessTerminationTimeout = null, // Ctrl-C is the train command's to handle
                }
            );
        }
        catch (Exception e) when (IsExpected(e))
        {
            terminal.Error.WriteLine($"nativeamp: {TextOf(e, parsed)}");
            return e switch
            {
                DoesNotFitException or DeviceOutOfMemoryException => ExitCode.OutOfMemory,
                UsageException => ExitCode.Usage,
                _ => ExitCode.Failure,
            };
        }
        catch (OutOfMemoryException e)
        {
            terminal.Error.WriteLine($"nativeamp: out of memory: {TextOf(e, parsed)}");
            return ExitCode.OutOfMemory;
        }
        catch (Exception e)
        {
            // A defect: its report needs the trace.
            terminal.Error.WriteLine($"nativeamp: unexpected failure, please report it: {e}");
            return ExitCode.Failure;
        }
    }

    private static string TextOf(Exception e, ParseResult parsed) =>
        parsed.GetValue<bool>(VerboseName) ? e.ToString() : e.Message;

    private static bool IsExpected(Exception e) =>
        e
            is UsageException
                or DataFormatException
                or CheckpointException
                or ExportException
                or NativeAmpException
                or NonFiniteLossException
                or PlanException
                or IOException
                or UnauthorizedAccessException;

    /// <summary>The names of a command below the root, each followed by a space.</summary>
    private static string Path(ParseResult parsed)
    {
        string path = "";
        for (
            Symbol command = parsed.CommandResult.Command;
            command.Parents.FirstOrDefault() is { } parent;
            command = parent
        )
            path = $"{command.Name} {path}";
        return path;
    }
}
