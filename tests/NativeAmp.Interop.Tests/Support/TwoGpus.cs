using System.Runtime.CompilerServices;

namespace NativeAmp.Interop.Tests;

/// <summary>The emulated driver has two GPUs in these tests: memory of one is refused on the other.</summary>
internal static class TwoGpus
{
    [ModuleInitializer]
    internal static void Choose()
    {
        if (File.Exists(EmulatedGpu.Driver))
            NativeVariable.SetWhereUnset("NAMPEMU_DEVICES", "2");
    }
}
