using NativeAmp.Interop;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// Writes a file so that a crash, even of the machine, leaves either what was there before or all of what is new: into
/// a temporary file of the same folder, flushed to the disk, renamed over the name, and the folder flushed too.
/// </summary>
internal static class AtomicFile
{
    /// <summary>How temporary files end, for whoever cleans up after a crash.</summary>
    public const string TemporarySuffix = ".tmp";

    /// <summary>Writes a file; where writing fails nothing stays behind.</summary>
    public static void Write(string path, Action<FileStream> write)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        // A name that nobody can have made before, for a link too.
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
