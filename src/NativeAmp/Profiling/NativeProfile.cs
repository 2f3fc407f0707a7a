using System.Runtime.InteropServices;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Measures the time spent in each function of the native library, over all threads of the process. On the CPU it
/// costs next to nothing. On a GPU a call that gives the device work lasts until that is done, so that a function's
/// time is the device's; as nothing overlaps, the program is slower while it is measured.
/// </summary>
public static unsafe class NativeProfile
{
    /// <summary>Starts to measure, from zero.</summary>
    public static void Start() => Ensure.Success(NativeMethods.ProfileStart());

    /// <summary>Stops measuring. The times stay until the next <see cref="Start"/>.</summary>
    public static void Stop() => Ensure.Success(NativeMethods.ProfileStop());

    /// <summary>The times so far, of the functions that were called, the most expensive first.</summary>
    public static IReadOnlyList<ProfileEntry> Read()
    {
        int count = 0;
        NampProfileEntry[] entries;
        do
        {
            // Another thread may call one more function in between.
            entries = new NampProfileEntry[count];
            fixed (NampProfileEntry* pointer = entries)
                Ensure.Success(NativeMethods.ProfileRead(pointer, &count, entries.Length));
        } while (count > entries.Length);
        return
        [
            .. entries
                .Take(count)
                .Select(entry => new ProfileEntry(
                    Marshal.PtrToStringUTF8((nint)entry.Function)!,
                    entry.Calls,
                    TimeSpan.FromMicroseconds(entry.Nanoseconds / 1000.0)
                ))
                .OrderByDescending(entry => entry.Time),
        ];
    }
}
