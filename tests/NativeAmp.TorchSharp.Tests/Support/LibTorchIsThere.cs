using System.Runtime.InteropServices;
using TorchSharp;

namespace NativeAmp.TorchSharp.Tests;

/// <summary>All tests here need libtorch, which is not beside them. Without it they are skipped.</summary>
[SetUpFixture]
internal sealed class LibTorchIsThere
{
    [OneTimeSetUp]
    public void Look()
    {
        // Not by using TorchSharp: without libtorch it would look through all of NuGet's cache, and copy what it finds.
        string? missing = Array.Find(
            ["torch_cpu", "LibTorchSharp"],
            library => !NativeLibrary.TryLoad(library, typeof(torch).Assembly, searchPath: null, out _)
        );
        if (missing is not null)
            Assert.Ignore(
                $"Left out: TorchSharp's side of NativeAmp.TorchSharp. Its library {missing} does not load; "
                    + "cmake/libtorch.sh dotnet test tests/NativeAmp.TorchSharp.Tests brings it, or says why not."
            );
        // Networks this small gain nothing by more.
        torch.set_num_threads(1);
    }
}
