using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NativeAmp.TestSupport;

/// <summary>nampemu_counters, field by field.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EmulatorCounters
{
    public ulong Launches;
    public ulong ThreadInstructions;
    public ulong WarpInstructions;
    public EmulatorTraffic Global;
    public EmulatorTraffic Shared;
    public EmulatorTraffic Local;
    public ulong ConstantLoaded;
    public ulong CopiesToDevice,
        BytesToDevice;
    public ulong CopiesToHost,
        BytesToHost;
    public ulong CopiesOnDevice,
        BytesOnDevice;
    public ulong Fills,
        BytesFilled;
    public ulong HostWaits;
    public ulong Allocations;
    public ulong Frees;
    public ulong Gemms;
}

/// <summary>nampemu_traffic: bytes by the width of an access, 1 to 16.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EmulatorTraffic
{
    public ByWidth Loaded;
    public ByWidth Stored;
    public ByWidth Atomic;

    [InlineArray(5)]
    internal struct ByWidth
    {
        private ulong _first;
    }
}
