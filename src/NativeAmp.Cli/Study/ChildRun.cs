using System.Diagnostics;
using System.Globalization;
using NativeAmp.Cli.Output;
using NativeAmp.Interop;

namespace NativeAmp.Cli.Study;

/// <summary>
/// Runs nativeamp train in its own process, so that memory, peaks and failures belong only to that run.
/// </summary>
internal static class ChildRun
{
    private const int LongestReason = 600;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    // The run finishes its current step; at the latest the process ends after this time.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>The outcome of a process.</summary>
    /// <param name="ExitCode">Its exit code; 128 + n for signal n.</param>
    /// <param name="Output">Its standard output.</param>
    /// <param name="Error">Its standard error.</param>
    /// <param name="Seconds">The time that it ran.</param>
    internal sealed record Ended(int ExitCode, string Output, string Error, double Seconds);

    /// <summary>Runs the process to its end. If the study is stopped, it asks the process to end and waits.</summary>
    /// <param name="arguments">The arguments after "nativeamp".</param>
    /// <param name="expendable">Whether the system should end this process before others if the machine runs out of
    /// memory.</param>
    /// <param name="watch">Called about ten times a second with the seconds so far.</param>
    /// <param name="stop">Stops it.</param>
    public static Ended Run(
        IReadOnlyList<string> arguments,
        bool expendable,
        Action<double> watch,
        CancellationToken stop
    )
    {
        long began = Stopwatch.GetTimestamp();
        using Process process =
            Process.Start(Start(arguments)) ?? throw new StudyException("A process for the run could not be started.");
        if (expendable)
            OfferToTheKiller(process.Id);
        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        Task<string> error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        long? asked = null;
        while (!process.WaitForExit(Look))
        {
            watch(Stopwatch.GetElapsedTime(began).TotalSeconds);
            if (!stop.IsCancellationRequested)
                continue;
            if (asked is null)
                Ask(process);
            asked ??= Stopwatch.GetTimestamp();
            if (Stopwatch.GetElapsedTime(asked.Value) > Patience)
                process.Kill();
        }

        process.WaitForExit();
        return new Ended(process.ExitCode, output.Result, error.Result, Stopwatch.GetElapsedTime(began).TotalSeconds);
    }

    /// <summary>Why a run ended: the last line that it wrote.</summary>
    public static string Reason(Ended ended)
    {
        const string Name = "nativeamp: ";
        string last =
            ended
                .Error.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .LastOrDefault(line => line.StartsWith(Name, StringComparison.Ordinal))
            ?? "";
        string said =
            last.Length > 0
                ? last[Name.Length..]
                : $"it ended with exit code {ended.ExitCode.ToString(CultureInfo.InvariantCulture)} and said nothing";
        if (ended.ExitCode == ExitCode.Killed)
            said = "the system ended it (signal 9), as it does where memory runs out";
        return said.Length <= LongestReason ? said : said[..LongestReason] + "…";
    }

    private static ProcessStartInfo Start(IReadOnlyList<string> arguments)
    {
        string assembly = typeof(ChildRun).Assembly.Location;
        string self = Environment.ProcessPath ?? "dotnet";
        // The same .NET that runs this process.
        bool isCommand = IsCommand(self);
        string host = isCommand || Path.GetFileNameWithoutExtension(self) == "dotnet" ? self : "dotnet";
        return new ProcessStartInfo(host, isCommand ? arguments : [assembly, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Console.OutputEncoding, // the child writes as this process does
            StandardErrorEncoding = Console.OutputEncoding,
        };
    }

    /// <summary>Whether an executable is the command itself, as in a self-contained publish: by our own name.</summary>
    internal static bool IsCommand(string executable)
    {
        string own = typeof(ChildRun).Assembly.GetName().Name!;
        string name = Path.GetFileName(executable);
        return name.Equals(own, StringComparison.OrdinalIgnoreCase)
            || name.Equals(own + ".exe", StringComparison.OrdinalIgnoreCase);
    }

    // After Ctrl-C the terminal has signaled it too; it counts both as one.
    private static void Ask(Process process)
    {
        if (OperatingSystem.IsWindows())
            process.Kill();
        else
            PosixProcess.Terminate(process.Id);
    }

    private static void OfferToTheKiller(int process)
    {
        try
        {
            if (OperatingSystem.IsLinux())
                File.WriteAllText($"/proc/{process}/oom_score_adj", "1000");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended already, or the system does not allow it: then it ends by itself.
        }
    }
}
