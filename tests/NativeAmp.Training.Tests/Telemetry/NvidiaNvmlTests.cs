using System.Diagnostics;
using NativeAmp.Telemetry;

namespace NativeAmp.Training.Tests.Telemetry;

/// <summary>
/// NVIDIA's own library and header, if they are there: on a machine with a driver, or unpacked from Debian's packages.
/// </summary>
[NonParallelizable]
public class NvidiaNvmlTests
{
    [Test]
    public void NVIDIAs_library_gives_values_or_says_that_there_is_no_driver()
    {
        string library = NvidiaFiles.FindLibrary("libnvidia-ml.so.1");
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
        string header = NvidiaFiles.Find("nvml.h", "usr/include", "/usr/include", "/usr/local/cuda/include");
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
}
