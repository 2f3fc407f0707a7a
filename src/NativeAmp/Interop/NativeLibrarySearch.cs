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

    /// <summary>The systems that there are packages for: NativeAmp.Native.linux-x64 and so on.</summary>
    public static IReadOnlyList<string> Packaged { get; } = ["linux-arm64", "linux-x64", "win-x64"];

    /// <summary>
    /// The paths to try. An explicit path is final: to fall back silently to another library would hide the mistake in
    /// it. A name without a folder is left to .NET's search, then the system's. Nothing above the application's folder
    /// is looked at: others may write there.
    /// </summary>
    /// <param name="explicitPath">What the environment names; null or blank for nothing.</param>
    /// <param name="assemblyFolder">The application's folder.</param>
    /// <param name="runtimeIdentifier">The system's, such as linux-x64; a .NET that a distribution built says
    /// ubuntu.24.04-x64.</param>
    public static IReadOnlyList<string> Candidates(
        string? explicitPath,
        string assemblyFolder,
        string runtimeIdentifier
    )
    {
        if (!string.IsNullOrWhiteSpace(explicitPath))
            return [explicitPath];
        string[] runtimes = [runtimeIdentifier, Portable(runtimeIdentifier)];
        return
        [
            .. runtimes.Distinct().Select(each => Path.Combine(assemblyFolder, "runtimes", each, "native", FileName)),
            Path.Combine(assemblyFolder, FileName),
            FileName,
        ];
    }

    /// <summary>
    /// The name that packages use: the system's family and the processor, which a distribution's own name ends with.
    /// </summary>
    public static string Portable(string runtimeIdentifier)
    {
        bool musl =
            runtimeIdentifier.StartsWith("alpine", StringComparison.Ordinal)
            || runtimeIdentifier.Contains("-musl-", StringComparison.Ordinal);
        string family =
            OperatingSystem.IsWindows() ? "win"
            : OperatingSystem.IsMacOS() ? "osx"
            : musl ? "linux-musl"
            : "linux";
        return $"{family}-{runtimeIdentifier[(runtimeIdentifier.LastIndexOf('-') + 1)..]}";
    }
}
