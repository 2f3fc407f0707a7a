using System.Diagnostics;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>Runs the command in a process of its own, for what a process decides once: which driver it finds.</summary>
internal static class CliProcess
{
    /// <summary>The environment of a machine without a GPU.</summary>
    public static IReadOnlyDictionary<string, string> NoDriver { get; } = new Dictionary<string, string>
    {
        ["NATIVEAMP_CUDA_LIBRARY"] = Path.Combine(TestContext.CurrentContext.TestDirectory, "no-driver.so"),
    };

    /// <summary>The environment of a machine with emulated GPUs.</summary>
    public static Dictionary<string, string> Gpus(int count, string cublas) => new()
    {
        ["NATIVEAMP_CUDA_LIBRARY"] = EmulatedGpu.Driver,
        ["NATIVEAMP_CUBLAS_LIBRARY"] = cublas,
        ["NAMPEMU_DEVICES"] = count.ToString(System.Globalization.CultureInfo.InvariantCulture),
    };

    public static (int Code, string Output, string Error) Run(IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(TestContext.CurrentContext.TestDirectory, "NativeAmp.Cli.dll"), .. arguments])
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
}
