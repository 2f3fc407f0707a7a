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
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        // The name is new, so that it cannot be a link that somebody made before.
        string temporary = $"{path}.{Guid.NewGuid():N}{TemporarySuffix}";
        try
        {
            using (
                var stream = new FileStream(
                    temporary,
                    FileMode.CreateNew,
                    FileAccess.ReadWrite,
                    FileShare.None,
                    1 << 16
                )
            )
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

        FolderFlush.Flush(folder);
    }
}
