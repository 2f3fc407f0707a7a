using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>Turns a native status into an exception. No other place does.</summary>
internal static unsafe class Ensure
{
    /// <summary>Returns if the call succeeded.</summary>
    /// <exception cref="NativeAmpException">It did not.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Success(int status)
    {
        if (status != (int)NampStatus.Ok)
            Throw(status);
    }

    /// <summary>The message of the thread's last failed call.</summary>
    public static string LastMessage() => Text(NativeMethods.LastErrorMessage());

    private static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";

    [DoesNotReturn]
    private static void Throw(int status)
    {
        // Copied before anything else may call into the library on this thread.
        string message = LastMessage();
        if (message.Length == 0)
            message =
                $"The native library answered {Text(NativeMethods.StatusName(status))} ({status}) and no message.";
        throw (NampStatus)status switch
        {
            NampStatus.ErrorInvalidArgument or NampStatus.ErrorMisaligned => new NativeAmpArgumentException(message),
            NampStatus.ErrorOutOfMemory => new DeviceOutOfMemoryException(message),
            NampStatus.ErrorUnsupported => new NativeAmpUnsupportedException(message),
            NampStatus.ErrorUnavailable => new NativeAmpUnavailableException(message),
            NampStatus.ErrorCapture => new GraphCaptureException(message),
            NampStatus.ErrorDevice => new NativeAmpDeviceException(message),
            _ => new NativeAmpInternalException(message),
        };
    }
}
