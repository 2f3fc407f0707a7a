using System.Diagnostics;
using NativeAmp.Telemetry;

namespace NativeAmp.Training.Tests.Telemetry;

/// <summary>
/// NVIDIA's own library and header, if they are there: on a machine with a driver, or unpacked from Debian's packages.
/// </summary>
[NonParallelizable]
public class NvidiaNvmlTests
{
    private static string Unpacked =>
        Environment.GetEnvironmentVariable("CUDA_TOOLKIT_OUT")
        ?? Path.Combine(
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
            ".cache",
            "cuda-toolkit",
            "trixie"
        );

    [Test]
    public void NVIDIAs_library_gives_values_or_says_that_there_is_no_driver()
    {
        string library = Find(
            "libnvidia-ml.so.1",
            "usr/lib/x86_64-linux-gnu/nvidia/current",
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib64"
        );
        using var named = new NativeVariable("NATIVEAMP_NVML_LIBRARY", library);
        foreach (GpuTelemetry gpu in GpuTelemetry.All())
        {
            using (gpu)
            {
                var reading = new TelemetryReading();
                gpu.Read(reading);
                TestContext.Out.WriteLine(gpu.Description);
                if (gpu.IsAvailable)
                    Assert.That(reading.Values.Keys, Has.Some.EqualTo(gpu.Name + ".memoryAllocatedBytes"));
                else
                    Assert.That(
                        reading.Missing["gpu"],
                        Does.EndWith($": {library} (does not start: Driver Not Loaded (9))")
                    );
            }
        }
    }

    [Test]
    public void Names_numbers_and_layouts_are_those_of_NVIDIAs_header()
    {
        string header = Find("nvml.h", "usr/include", "/usr/include", "/usr/local/cuda/include");
        string nvml = Path.Combine(
            Path.GetDirectoryName(EmulatedGpu.Driver)!,
            "..",
            "..",
            "tests",
            "gpu-emulator",
            "src",
            "nvml"
        );
        string[] arguments =
        [
            "-std=c++17",
            "-fsyntax-only",
            "-I",
            Path.GetDirectoryName(header)!,
            Path.Combine(nvml, "layout_check.cpp"),
        ];
        var start = new ProcessStartInfo("g++", arguments) { RedirectStandardError = true };
        using Process compiler = Process.Start(start)!;
        string errors = compiler.StandardError.ReadToEnd();
        compiler.WaitForExit();
        Assert.That(compiler.ExitCode, Is.Zero, errors);
    }

    private static string Find(string file, string unpacked, params string[] folders)
    {
        string? found = folders
            .Append(Path.Combine(Unpacked, "root", unpacked))
            .Select(folder => Path.Combine(folder, file))
            .FirstOrDefault(File.Exists);
        if (found is null)
            Assert.Ignore($"NVIDIA's {file} is not on this machine, and not in {Unpacked}.");
        return found!;
    }
}
