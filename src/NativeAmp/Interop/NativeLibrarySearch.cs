using System.Runtime.InteropServices;

namespace NativeAmp.Interop;

/// <summary>Where the native library may lie, in the order in which it is looked for.</summary>
internal static class NativeLibrarySearch
{
    /// <summary>Names the library file outright; nothing else is tried then.</summary>
    public const string EnvironmentVariable = "NATIVEAMP_LIBRARY";

    /// <summary>
    /// The file's name on this system; <c>lib</c> on Windows too, where nativeamp.dll would be NativeAmp.dll.
    /// </summary>
    public static string FileName { get; } =
        OperatingSystem.IsWindows() ? "libnativeamp.dll"
        : OperatingSystem.IsMacOS() ? "libnativeamp.dylib"
        : "libnativeamp.so";

    /// <summary>
    /// The paths to try. An explicit path is final: to fall back silently to another library would hide the mistake in
    /// it. A name without a folder is left to the system's own search. Nothing above the application's folder is looked
    /// at: others may write there.
    /// </summary>
    public static IReadOnlyList<string> Candidates(string? explicitPath, string assemblyFolder)
    {
        if (!string.IsNullOrWhiteSpace(explicitPath))
            return [explicitPath];
        return
        [
            Path.Combine(assemblyFolder, "runtimes", RuntimeInformation.RuntimeIdentifier, "native", FileName),
            Path.Combine(assemblyFolder, FileName),
            FileName,
        ];
    }
}
