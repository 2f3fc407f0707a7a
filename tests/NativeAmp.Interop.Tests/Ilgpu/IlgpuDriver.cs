using System.Runtime.InteropServices;
using ILGPU.Runtime.Cuda;

namespace NativeAmp.Interop.Tests.Ilgpu;

/// <summary>The GPU of ILGPU in this process: the emulated one, where it is chosen.</summary>
internal static class IlgpuDriver
{
    private static readonly Lazy<bool> Chosen = new(() =>
    {
        if (EmulatedGpu.IsChosen)
            NativeLibrary.SetDllImportResolver(
                typeof(CudaAccelerator).Assembly,
                (name, _, _) => name == "cuda" ? NativeLibrary.Load(EmulatedGpu.Driver) : 0
            );
        return EmulatedGpu.IsChosen;
    });

    /// <summary>Skips the test, or fails it, where there is no GPU.</summary>
    public static void Use()
    {
        DeviceKind.Cuda.Open().Dispose();
        _ = Chosen.Value;
    }
}
