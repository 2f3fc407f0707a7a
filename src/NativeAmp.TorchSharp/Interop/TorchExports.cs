using System.Runtime.InteropServices;
using TorchSharp;

namespace NativeAmp.TorchSharp;

/// <summary>The exports of the native libraries that TorchSharp has loaded.</summary>
internal static class TorchExports
{
    private const string TorchSharpLibrary = "LibTorchSharp";
    private const string LibTorchLibrary = "torch_cpu";

    /// <summary>An export of TorchSharp's own library, plain C.</summary>
    /// <exception cref="NotSupportedException">It is not there.</exception>
    public static nint OfTorchSharp(string name) => Find(TorchSharpLibrary, name);

    /// <summary>A function of libtorch's C++ interface.</summary>
    /// <param name="itanium">Its mangled name on Linux and macOS.</param>
    /// <param name="microsoft">Its mangled name on Windows.</param>
    /// <exception cref="NotSupportedException">It is not there.</exception>
    public static nint OfLibTorch(string itanium, string microsoft) =>
        OperatingSystem.IsWindows()
            ? Find(LibTorchLibrary, microsoft)
            // A name is also looked up in the libraries that this one needs, which are libtorch's.
            : Find(TorchSharpLibrary, itanium);

    /// <summary>The error of a TorchSharp or libtorch that lacks something.</summary>
    public static NotSupportedException Unfit(string problem) =>
        new(
            $"NativeAmp.TorchSharp cannot work with the loaded TorchSharp {typeof(torch).Assembly.GetName().Version} and "
                + $"libtorch {torch.__version__}: {problem}. It was made for TorchSharp 0.107 with libtorch 2.10; take "
                + "these, or report it."
        );

    private static nint Find(string library, string name)
    {
        torch.InitializeDeviceType(DeviceType.CPU);
        if (!NativeLibrary.TryLoad(library, typeof(torch).Assembly, searchPath: null, out nint handle))
            throw Unfit($"its library {library} is not found under this name");
        return NativeLibrary.TryGetExport(handle, name, out nint address)
            ? address
            : throw Unfit($"{library} has no {name}");
    }
}
