using System.Runtime.InteropServices;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>The native library behind this package: whether it is there, and if not, why.</summary>
/// <remarks>
/// The library is looked for at the path in the environment variable <c>NATIVEAMP_LIBRARY</c> (nothing else is tried
/// when it is set), then in <c>runtimes/&lt;rid&gt;/native</c> beside the application, beside it, and where .NET looks
/// for this assembly: its load context's folders, those of a script's packages, and the system's. Its ABI version and
/// the size of every struct are compared before the first call.
/// </remarks>
public static unsafe class NativeAmpRuntime
{
    /// <summary>
    /// The result of loading. Reading it loads the library if that was not yet tried; it never throws.
    /// </summary>
    public static NativeLibraryStatus Status => NativeLibraryLoader.Status;

    /// <summary>Loads the library.</summary>
    /// <exception cref="NativeAmpLibraryException">It was not found or does not fit; the message lists what was
    /// tried.</exception>
    public static void EnsureLoaded() => _ = NativeLibraryLoader.Handle;

    /// <summary>
    /// Where a library of others was looked for the last time, in order, and what came of each place; nothing where
    /// it was not looked for yet.
    /// </summary>
    /// <remarks>
    /// The one that the environment names (<c>NATIVEAMP_CUDA_LIBRARY</c>, <c>NATIVEAMP_CUBLAS_LIBRARY</c>,
    /// <c>NATIVEAMP_NVML_LIBRARY</c>, <c>NATIVEAMP_ONEDNN_LIBRARY</c>) is the only one; else there are what the process
    /// has loaded, what the system finds by name, the usual places, and the folders in which .NET looks for native
    /// libraries. One that does not work gives way to the next.
    /// </remarks>
    /// <exception cref="NativeAmpLibraryException">NativeAmp's own library is not there.</exception>
    public static IReadOnlyList<NativeLibraryAttempt> SearchFor(VendorLibrary library)
    {
        EnsureLoaded();
        var attempts = new NampLibraryAttempt[256];
        int count;
        fixed (NampLibraryAttempt* first = attempts)
            Ensure.Success(NativeMethods.LibraryReadAttempts(first, &count, attempts.Length, (int)library));
        return [.. attempts.Take(count).Select(Read)];

        static NativeLibraryAttempt Read(NampLibraryAttempt attempt)
        {
            string failure = Marshal.PtrToStringUTF8((nint)attempt.Failure) ?? "";
            return new(Marshal.PtrToStringUTF8((nint)attempt.Place) ?? "", failure.Length == 0 ? null : failure);
        }
    }

    /// <summary>Opens and starts the driver's library or NVML, which stays open.</summary>
    /// <exception cref="NativeAmpUnavailableException">None works; the message says what was tried.</exception>
    internal static nint Open(VendorLibrary library)
    {
        EnsureLoaded();
        void* handle;
        Ensure.Success(NativeMethods.LibraryOpen(&handle, (int)library));
        return (nint)handle;
    }
}
