using System.Runtime.InteropServices;
using System.Text;

namespace NativeAmp.Interop;

/// <summary>Finds the native library, checks that it fits these bindings, and keeps the result.</summary>
internal static unsafe class NativeLibraryLoader
{
    /// <summary>The failure of a path where nothing is.</summary>
    public const string NoFile = "there is no such file";

    private const string SameVersion = "use the library that was built with this version of NativeAmp";

    private static readonly Lazy<(nint Handle, NativeLibraryStatus Status)> Loaded = new(static () =>
    {
        var loaded = Load(
            NativeLibrarySearch.Candidates(
                Environment.GetEnvironmentVariable(NativeLibrarySearch.EnvironmentVariable),
                AppContext.BaseDirectory,
                RuntimeInformation.RuntimeIdentifier
            )
        );
        HandDownFolders(loaded.Handle);
        return loaded;
    });

    /// <summary>How the search went; never throws.</summary>
    public static NativeLibraryStatus Status => Loaded.Value.Status;

    /// <summary>The library.</summary>
    /// <exception cref="NativeAmpLibraryException">It is not there, or not the right one.</exception>
    public static nint Handle =>
        Loaded.Value.Handle != 0 ? Loaded.Value.Handle : throw new NativeAmpLibraryException(Status);

    /// <summary>Tries each candidate in turn; the first that fits stays loaded.</summary>
    public static (nint Handle, NativeLibraryStatus Status) Load(IReadOnlyList<string> candidates)
    {
        var attempts = new List<NativeLibraryAttempt>();
        foreach (string candidate in candidates)
        {
            string? failure = TryLoad(candidate, out nint handle, out string version);
            attempts.Add(new NativeLibraryAttempt(candidate, failure));
            if (failure is null)
                return (handle, new NativeLibraryStatus(candidate, version, attempts));
        }
        return (0, new NativeLibraryStatus(null, null, attempts));
    }

    // Where .NET looks for native libraries: those of other packages lie there, cuBLAS among them.
    private static void HandDownFolders(nint handle)
    {
        if (handle == 0 || AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") is not string folders)
            return;
        nint function = NativeLibrary.GetExport(handle, "namp_library_set_folders");
        fixed (byte* text = Encoding.UTF8.GetBytes(folders + '\0'))
            _ = ((delegate* unmanaged<byte*, int>)function)(text);
    }

    private static string? TryLoad(string candidate, out nint handle, out string version)
    {
        version = "";
        handle = 0;
        if (Path.IsPathRooted(candidate) && !File.Exists(candidate))
            return NoFile;
        try
        {
            handle = Open(candidate);
        }
        catch (Exception failure) when (failure is DllNotFoundException or BadImageFormatException)
        {
            return Reason(failure.Message);
        }
        string? mismatch = Mismatch(handle, out version);
        if (mismatch is null)
            return null;
        NativeLibrary.Free(handle);
        handle = 0;
        return mismatch;
    }

    // .NET looks for a name on behalf of an assembly: where the assembly lies, where its load context says (a plugin's,
    // a script's), and where a single file was extracted.
    private static nint Open(string candidate) =>
        Path.GetFileName(candidate) == candidate
            ? NativeLibrary.Load(candidate, typeof(NativeLibraryLoader).Assembly, null)
            : NativeLibrary.Load(candidate);

    // The system's own words, a line for each place; before them .NET tells how to trace a process.
    private static string Reason(string message)
    {
        string[] lines = message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return string.Join("; ", lines.Length > 1 ? lines.Skip(1) : lines);
    }

    // The version first: the meaning of a struct's size depends on it.
    private static string? Mismatch(nint handle, out string version)
    {
        version = "";
        if (
            !NativeLibrary.TryGetExport(handle, "namp_abi_version", out nint abiVersion)
            || !NativeLibrary.TryGetExport(handle, "namp_version", out nint versionText)
            || !NativeLibrary.TryGetExport(handle, "namp_struct_size", out nint structSize)
        )
            return "it is not NativeAmp's library: it lacks namp_abi_version, namp_version or namp_struct_size";
        int abi = ((delegate* unmanaged<int>)abiVersion)();
        if (abi != NativeConstants.AbiVersion)
            return $"its ABI version is {abi} where these bindings need {NativeConstants.AbiVersion}: {SameVersion}";
        foreach (var (name, size) in NativeMethods.StructSizes())
        {
            fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
            {
                long native = ((delegate* unmanaged<byte*, long>)structSize)(text);
                if (native != size)
                    return $"its struct {name} has {native} bytes where these bindings have {size}: {SameVersion}";
            }
        }
        version = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)versionText)()) ?? "";
        return null;
    }
}
