using System.Runtime.InteropServices;

namespace NativeAmp.Training.Tests.Telemetry;

/// <summary>
/// NVIDIA's own libraries and headers, where they are: on a machine with a driver or a toolkit, or unpacked from
/// Debian's packages (<c>./build.sh cuda-toolkit libraries</c>).
/// </summary>
internal static class NvidiaFiles
{
    private static string Unpacked =>
        Environment.GetEnvironmentVariable("CUDA_TOOLKIT_OUT")
        ?? Path.Combine(
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
            ".cache",
            "cuda-toolkit",
            "trixie"
        );

    /// <summary>
    /// A library of the driver: its name where the loader finds it, in a container in folders of LD_LIBRARY_PATH, else
    /// its path. The test is ignored where there is none.
    /// </summary>
    public static string FindLibrary(string file)
    {
        if (!NativeLibrary.TryLoad(file, out nint library))
            return Find(file, "usr/lib/x86_64-linux-gnu/nvidia/current");
        NativeLibrary.Free(library);
        return file;
    }

    /// <summary>
    /// A file in the first of the folders, or in a folder of what was unpacked. The test is ignored where there is
    /// none.
    /// </summary>
    public static string Find(string file, string unpacked, params string[] folders)
    {
        string? found = folders
            .Append(Path.Combine(Unpacked, "root", unpacked))
            .Select(folder => Path.Combine(folder, file))
            .FirstOrDefault(File.Exists);
        if (found is null)
            Assert.Ignore($"NVIDIA's {file} is not on this machine, and not in {Unpacked}.");
        return found!;
    }
}
