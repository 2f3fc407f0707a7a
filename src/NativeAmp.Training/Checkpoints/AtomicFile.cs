using System.Runtime.InteropServices;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// Writes a file so that a crash, even of the machine, leaves either what was there before or all of what is new: into a
/// temporary file of the same folder, flushed to the disk, renamed over the name, and the folder flushed too.
/// </summary>
internal static partial class AtomicFile
{
    /// <summary>How temporary files end, for whoever cleans up after a crash.</summary>
    public const string TemporarySuffix = ".tmp";

    private const int OpenReadOnly = 0;
    private const int InvalidArgument = 22; // EINVAL

    /// <summary>Writes a file; where writing fails nothing stays behind.</summary>
    public static void Write(string path, Action<FileStream> write)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string temporary = $"{path}.{Environment.ProcessId}{TemporarySuffix}";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.ReadWrite, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }

        FlushFolder(folder);
    }

    /// <summary>Makes names of a folder last. Windows has no such call and needs none: its rename is journalled.</summary>
    private static void FlushFolder(string folder)
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
