using System.Diagnostics;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>
/// Runs the command in its own process, for choices that a process makes only once, such as the driver.
/// </summary>
internal static class CliProcess
{
    /// <summary>The environment of a machine without a GPU.</summary>
    public static IReadOnlyDictionary<string, string> NoDriver { get; } =
        new Dictionary<string, string>
        {
            ["NATIVEAMP_CUDA_LIBRARY"] = Path.Combine(TestContext.CurrentContext.TestDirectory, "no-driver.so"),
        };

    /// <summary>The environment of a machine with emulated GPUs.</summary>
    public static Dictionary<string, string> Gpus(int count, string cublas) =>
        new()
        {
            ["NATIVEAMP_CUDA_LIBRARY"] = EmulatedGpu.Driver,
            ["NATIVEAMP_CUBLAS_LIBRARY"] = cublas,
            ["NAMPEMU_DEVICES"] = count.ToString(System.Globalization.CultureInfo.InvariantCulture),
        };

    public static (int Code, string Output, string Error) Run(
        IReadOnlyDictionary<string, string> environment,
        params string[] arguments
    )
    {
        var start = new ProcessStartInfo(
            "dotnet",
            [Path.Combine(TestContext.CurrentContext.TestDirectory, "NativeAmp.Cli.dll"), .. arguments]
        )
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    /// <summary>
    /// Starts it so that it can be signaled. Tests in the background may run with ignored signals, which children would
    /// inherit.
    /// </summary>
    public static Process Start(params string[] arguments) =>
        Process.Start(
            new ProcessStartInfo(
                "env",
                [
                    "--default-signal=HUP,INT,TERM",
                    "dotnet",
                    Path.Combine(TestContext.CurrentContext.TestDirectory, "NativeAmp.Cli.dll"),
                    .. arguments,
                ]
            )
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;

    /// <summary>Sends a signal by its name.</summary>
    public static void Signal(Process process, string name)
    {
        using Process signal = Process.Start(
            "kill",
            [$"-{name}", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]
        );
        signal.WaitForExit();
    }

    /// <summary>Waits for its end. The test's output shows the messages of a process that failed.</summary>
    /// <returns>The exit code.</returns>
    public static int Finish(Process process)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        process.WaitForExit();
        if (
            process.ExitCode
            is not (
                NativeAmp.Cli.Output.ExitCode.Success
                or NativeAmp.Cli.Output.ExitCode.Interrupted
                or NativeAmp.Cli.Output.ExitCode.Killed
            )
        )
            TestContext.Out.WriteLine(output.Result + error.Result);
        return process.ExitCode;
    }
}
