using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace NativeAmp.Interop;

/// <summary>
/// File functions that .NET lacks on Linux: opening without waiting for a pipe's other end, and a lock that ends with
/// its process. Other systems use .NET's own.
/// </summary>
internal static partial class PosixFile
{
    // The same on x86-64 and arm64.
    private const int ReadWrite = 2;
    private const int Create = 0x40;
    private const int NonBlocking = 0x800;
    private const int CloseOnExec = 0x80000;
    private const int OwnerWritesAllRead = 0b110_100_100;
    private const int LockExclusive = 2;
    private const int LockWithoutWaiting = 4;
    private const int WouldBlock = 11; // EWOULDBLOCK

    /// <summary>
    /// Opens a regular file for reading. A pipe is refused at once: opening one would wait for a writer.
    /// </summary>
    /// <exception cref="IOException">It cannot be opened, or is not a regular file.</exception>
    public static FileStream OpenRegular(string path)
    {
        FileStream stream = OperatingSystem.IsLinux() ? Open(path, NonBlocking, FileAccess.Read) : File.OpenRead(path);
        if (stream.CanSeek)
            return stream;
        stream.Dispose();
        throw new IOException($"{path} is not a regular file.");
    }

    /// <summary>Opens or creates a file to lock; its content is not used.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static FileStream OpenForLock(string path) =>
        OperatingSystem.IsLinux()
            ? Open(path, ReadWrite | Create | NonBlocking, FileAccess.ReadWrite)
            : new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);

    /// <summary>Locks an open file until it is closed or the process ends in any way.</summary>
    /// <returns>Whether the lock was taken. True on a file system without locks.</returns>
    public static bool TryLock(FileStream file) =>
        !OperatingSystem.IsLinux() // elsewhere the file was opened for exclusive use
        || Lock((int)file.SafeFileHandle.DangerousGetHandle(), LockExclusive | LockWithoutWaiting) == 0
        || Marshal.GetLastPInvokeError() != WouldBlock;

    private static FileStream Open(string path, int flags, FileAccess access)
    {
        int descriptor = Open(path, flags | CloseOnExec, OwnerWritesAllRead);
        if (descriptor < 0)
            throw new IOException(
                $"Cannot open {path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}."
            );
        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        try
        {
            return new FileStream(handle, access);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or ArgumentException)
        {
            handle.Dispose();
            throw new IOException($"Cannot open {path}: it is not a file.", e);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Lock(int descriptor, int operation);
}
