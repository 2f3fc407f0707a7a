using System.Runtime.InteropServices;
using System.Text;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>How the search for the native library went.</summary>
public sealed class NativeLibraryStatus
{
    internal NativeLibraryStatus(string? path, string? version, IReadOnlyList<NativeLibraryAttempt> attempts)
    {
        Path = path;
        Version = version;
        Attempts = attempts;
    }

    /// <summary>Whether a library that fits was loaded.</summary>
    public bool IsLoaded => Path is not null;

    /// <summary>The path or name it was loaded by; null if it was not.</summary>
    public string? Path { get; }

    /// <summary>The library's version; null if it was not loaded.</summary>
    public string? Version { get; }

    /// <summary>Everything that was tried, in order.</summary>
    public IReadOnlyList<NativeLibraryAttempt> Attempts { get; }

    /// <summary>The library that was loaded; or every attempt with its failure, one a line.</summary>
    public override string ToString()
    {
        if (IsLoaded)
            return $"NativeAmp's native library {Version}, from {Path}";
        var text = new StringBuilder("NativeAmp's native library was not loaded. Tried:");
        foreach (var attempt in Attempts)
            text.Append("\n  ").Append(attempt.Location).Append(": ").Append(attempt.Failure);
        string system = NativeLibrarySearch.Portable(RuntimeInformation.RuntimeIdentifier);
        bool isThere = Attempts.Any(attempt =>
            System.IO.Path.IsPathRooted(attempt.Location) && attempt.Failure != NativeLibraryLoader.NoFile
        );
        return text.Append('\n').Append(Advice(system, isThere)).ToString();
    }

    internal static string Advice(string system, bool isThere) =>
        (
            isThere ? "A file is there and does not load, for the reason beside it."
            : NativeLibrarySearch.Packaged.Contains(system)
                ? $"The package NativeAmp.Native.{system} brings it: dotnet add package NativeAmp.Native.{system}. In a "
                    + "clone of the repository ./build.sh build makes it (build.ps1 on Windows)."
            : $"There is no package for {system}, only for {string.Join(", ", NativeLibrarySearch.Packaged)}: build "
                + "it from the sources."
        ) + $" {NativeLibrarySearch.EnvironmentVariable} names the file of a library that lies elsewhere.";
}

/// <summary>One place where the native library was looked for.</summary>
/// <param name="Location">The path, or a bare name for the system's own search.</param>
/// <param name="Failure">Why it was not taken; null if it was.</param>
public sealed record NativeLibraryAttempt(string Location, string? Failure);
