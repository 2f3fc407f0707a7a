using System.Runtime.InteropServices;
using System.Text;

namespace NativeAmp.Training.Tests.Telemetry;

/// <summary>
/// The emulated NVML of tests/gpu-emulator, chosen for this process while the object lives, with a script of its
/// values.
/// </summary>
internal sealed unsafe class EmulatedNvml : IDisposable
{
    /// <summary>The UUID of the first GPU: the emulated CUDA driver's.</summary>
    public const string Uuid = "GPU-6e616d70-656d-7500-0000-000000000000";

    private readonly NativeVariable _chosen;
    private readonly nint _library;

    public EmulatedNvml(string script = "")
    {
        if (!File.Exists(Path))
            Assert.Ignore("The emulated NVML was not built: tests/gpu-emulator.");
        _library = NativeLibrary.Load(Path);
        fixed (byte* text = Encoding.UTF8.GetBytes(script + '\0'))
            Assert.That(
                ((delegate* unmanaged<byte*, int>)Export("nampnvml_set_script"))(text),
                Is.Zero,
                "the script makes no sense"
            );
        _chosen = new NativeVariable("NATIVEAMP_NVML_LIBRARY", Path);
    }

    /// <summary>The library.</summary>
    public static string Path { get; } =
        System.IO.Path.Combine(System.IO.Path.GetDirectoryName(EmulatedGpu.Driver)!, "libnativeamp-emulated-nvml.so");

    /// <summary>Number of initializations without a shutdown.</summary>
    public int Initialized => ((delegate* unmanaged<int>)Export("nampnvml_initialized"))();

    public void Dispose()
    {
        int left = Initialized;
        ((delegate* unmanaged<byte*, int>)Export("nampnvml_set_script"))(null);
        _chosen.Dispose();
        Assert.That(left, Is.Zero, "every initialization of NVML is shut down");
    }

    private nint Export(string name) => NativeLibrary.GetExport(_library, name);
}
