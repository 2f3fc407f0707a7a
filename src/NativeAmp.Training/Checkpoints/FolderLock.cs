using System.Globalization;
using System.Text;
using NativeAmp.Interop;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// Marks a folder as used by a process: a file with the process id, under a lock that the system releases when the
/// process ends, even if it is killed. A file without a lock means nothing, and is taken over.
/// </summary>
internal sealed class FolderLock : IDisposable
{
    /// <summary>The file's name. The dot hides it among the checkpoints.</summary>
    public const string FileName = ".lock";

    private const int Attempts = 100;
    private const int LongestText = 128;

    private readonly string _path;
    private readonly FileStream _file;

    private FolderLock(string path, FileStream file)
    {
        _path = path;
        _file = file;
    }

    /// <summary>Takes a folder for this process.</summary>
    /// <exception cref="CheckpointFolderInUseException">Another run uses the folder, in this process or
    /// another.</exception>
    /// <exception cref="IOException">The lock cannot be made.</exception>
    public static FolderLock Take(string folder)
    {
        string path = Path.Combine(folder, FileName);
        for (int attempt = 0; ; attempt++)
        {
            // Nothing is written through a link: its target belongs to somebody else.
            if (new FileInfo(path).LinkTarget is not null)
                File.Delete(path);
            FileStream file = Open(folder, path);
            try
            {
                if (!PosixFile.TryLock(file))
                    throw new CheckpointFolderInUseException(folder, ProcessIn(Text(file)));
                string text = string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Environment.ProcessId} {Guid.NewGuid():N}"
                );
                file.SetLength(0);
                file.Write(Encoding.ASCII.GetBytes(text));
                file.Flush();
                // The previous owner may have deleted the file after we opened it and before we locked it. Then the
                // lock is worthless.
                if (!OperatingSystem.IsLinux() || TextOf(path) == text)
                    return new FolderLock(path, file);
                file.Dispose();
                if (attempt == Attempts)
                    throw new IOException($"{path} is replaced again and again.");
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
    }

    /// <summary>Gives the folder back.</summary>
    public void Dispose()
    {
        try
        {
            if (OperatingSystem.IsLinux())
                File.Delete(_path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The folder is gone or read-only by now. The next run takes over a file that stays.
        }
        finally
        {
            _file.Dispose();
        }
    }

    private static FileStream Open(string folder, string path)
    {
        try
        {
            return PosixFile.OpenForLock(path);
        }
        catch (IOException) when (OperatingSystem.IsWindows() && File.Exists(path))
        {
            throw new CheckpointFolderInUseException(folder, ProcessIn(TextOf(path)));
        }
    }

    private static string? TextOf(string path)
    {
        try
        {
            using FileStream file = OperatingSystem.IsLinux()
                ? PosixFile.OpenRegular(path)
                : new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return Text(file);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static string Text(FileStream file)
    {
        Span<byte> bytes = stackalloc byte[LongestText];
        return Encoding.ASCII.GetString(bytes[..file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)]);
    }

    private static int? ProcessIn(string? text) =>
        int.TryParse(text?.Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture, out int process)
            ? process
            : null;
}
