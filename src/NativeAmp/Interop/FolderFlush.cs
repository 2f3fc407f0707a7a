using System.Runtime.InteropServices;

namespace NativeAmp.Interop;

/// <summary>
/// Flushes a folder to the disk, so that a rename in it survives a crash of the machine. .NET flushes only files.
/// Windows has no such call and needs none: it journals renames.
/// </summary>
internal static partial class FolderFlush
{
    private const int OpenReadOnly = 0;
    private const int InvalidArgument = 22; // EINVAL

    /// <summary>Flushes the names in a folder.</summary>
    /// <exception cref="IOException">The folder cannot be opened, or the disk fails.</exception>
    public static void Flush(string folder)
    {
        if (!OperatingSystem.IsLinux())
            return;
        int descriptor = Open(folder, OpenReadOnly);
        if (descriptor < 0)
            throw new IOException($"Cannot open {folder} to flush it: error {Marshal.GetLastPInvokeError()}.");
        try
        {
            // A file system that does not flush folders says EINVAL, and has nothing to wait for.
            if (Synchronize(descriptor) != 0 && Marshal.GetLastPInvokeError() is not InvalidArgument and var error)
                throw new IOException($"Cannot flush {folder}: error {error}.");
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Synchronize(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
