using System.Runtime.InteropServices;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Where the time of a program goes, by function of the native library. It measures the whole process, all threads, and
/// costs next to nothing. On a GPU a function's time is what the host spends in it; what the device does later is for
/// NVIDIA's own profilers.
/// </summary>
public static unsafe class NativeProfile
{
    /// <summary>Starts to measure, from zero.</summary>
    public static void Start() => Ensure.Success(NativeMethods.ProfileStart());

    /// <summary>Ends it; what was measured stays until the next <see cref="Start"/>.</summary>
    public static void Stop() => Ensure.Success(NativeMethods.ProfileStop());

    /// <summary>What was measured so far: the functions that were called, the most expensive first.</summary>
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
