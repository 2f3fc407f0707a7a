using System.Runtime.InteropServices;

namespace NativeAmp.Interop;

/// <summary>
/// Process functions that .NET lacks on Unix: a write to a descriptor that reports failure, ending at once, and asking
/// another process to end.
/// </summary>
internal static partial class PosixProcess
{
    private const int Interrupted = 4; // EINTR
    private const int TryAgain = 11; // EAGAIN
    private const int TerminationSignal = 15; // SIGTERM

    /// <summary>Writes all bytes.</summary>
    /// <returns>Null, or the reason why not all bytes were written.</returns>
    public static string? Write(int descriptor, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            nint written = Write(descriptor, ref MemoryMarshal.GetReference(bytes), (nuint)bytes.Length);
            if (written >= 0)
            {
                bytes = bytes[(int)written..];
                continue;
            }

            int error = Marshal.GetLastPInvokeError();
            if (error == TryAgain)
                Thread.Sleep(1);
            else if (error != Interrupted)
                return Marshal.GetPInvokeErrorMessage(error);
        }

        return null;
    }

    /// <summary>Ends the process at once, whatever its threads are doing.</summary>
    public static void Exit(int code) => ExitNow(code);

    /// <summary>Asks a process to end itself, by SIGTERM. Nothing happens if the process is gone.</summary>
    public static void Terminate(int process) => _ = Kill(process, TerminationSignal);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void ExitNow(int code);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int descriptor, ref byte buffer, nuint count);
}
