using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>The native library behind this package: whether it is there, and if not, why.</summary>
/// <remarks>
/// The library is looked for at the path in the environment variable <c>NATIVEAMP_LIBRARY</c> (nothing else is tried
/// when it is set), then in <c>runtimes/&lt;rid&gt;/native</c> beside the application, beside it, and where the system
/// looks. Its ABI version and the size of every struct are compared before the first call.
/// </remarks>
public static class NativeAmpRuntime
{
    /// <summary>
    /// The result of loading. Reading it loads the library if that was not yet tried; it never throws.
    /// </summary>
    public static NativeLibraryStatus Status => NativeLibraryLoader.Status;

    /// <summary>Loads the library.</summary>
    /// <exception cref="NativeAmpLibraryException">It was not found or does not fit; the message lists what was
    /// tried.</exception>
    public static void EnsureLoaded() => _ = NativeLibraryLoader.Handle;
}
