using NativeAmp.Interop;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// Writes a file so that a crash, even of the machine, leaves either the old file or the complete new one. It writes a
/// temporary file in the same folder, flushes it to the disk, renames it over the name, and flushes the folder.
/// </summary>
internal static class AtomicFile
{
    /// <summary>Suffix of temporary files, by which they are found after a crash.</summary>
    public const string TemporarySuffix = ".tmp";

    /// <summary>Writes a file. If writing fails, no temporary file stays behind.</summary>
    public static void Write(string path, Action<FileStream> write)
    {
        string temporary = Temporary(path);
        try
        {
            WriteNew(temporary, write);
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }

        FolderFlush.Flush(FolderOf(path));
    }

    /// <summary>
    /// Writes a file of data and then the file that reads it, in one folder. A crash leaves the old ones or the new
    /// ones, or no reading file: never one that reads the other's data. If writing fails, both are as they were.
    /// </summary>
    public static void Write(string data, string path, Action<FileStream> writeData, Action<FileStream> write)
    {
        (string newData, string newFile) = (Temporary(data), Temporary(path));
        try
        {
            WriteNew(newData, writeData);
            WriteNew(newFile, write);
            File.Delete(path);
            FolderFlush.Flush(FolderOf(path));
            File.Move(newData, data, overwrite: true);
            File.Move(newFile, path);
        }
        catch
        {
            File.Delete(newData);
            File.Delete(newFile);
            throw;
        }

        FolderFlush.Flush(FolderOf(path));
    }

    private static string FolderOf(string path) => Path.GetDirectoryName(Path.GetFullPath(path))!;

    // The name is new, so that it cannot be a link that somebody made before.
    private static string Temporary(string path) => $"{path}.{Guid.NewGuid():N}{TemporarySuffix}";

    private static void WriteNew(string path, Action<FileStream> write)
    {
        using var stream = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16);
        write(stream);
        stream.Flush(flushToDisk: true);
    }
}
