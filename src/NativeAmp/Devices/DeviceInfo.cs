using System.Runtime.InteropServices;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>Facts of a device.</summary>
public sealed record DeviceInfo
{
    internal unsafe DeviceInfo(in NampDeviceInfo info)
    {
        Kind = (DeviceKind)info.Kind;
        Ordinal = info.Ordinal;
        Threads = info.Threads;
        Simd = (SimdTarget)info.Simd;
        ComputeCapability = new Version(info.ComputeMajor, info.ComputeMinor);
        Multiprocessors = info.Multiprocessors;
        MemoryTotal = info.MemoryTotal;
        MemoryFree = info.MemoryFree;
        fixed (byte* name = info.Name)
            Name = Marshal.PtrToStringUTF8((nint)name) ?? "";
        fixed (byte* reason = info.ThreadsReason)
            ThreadsReason = Marshal.PtrToStringUTF8((nint)reason) ?? "";
        fixed (byte* libraries = info.Libraries)
            Libraries = Marshal.PtrToStringUTF8((nint)libraries) ?? "";
    }

    /// <summary>The kind of device.</summary>
    public DeviceKind Kind { get; }

    /// <summary>Its number among its kind.</summary>
    public int Ordinal { get; }

    /// <summary>Its name, such as <c>AMD EPYC</c> or <c>NVIDIA H100</c>.</summary>
    public string Name { get; }

    /// <summary>The libraries that it computes with, such as <c>oneDNN 2.6.3</c>.</summary>
    public string Libraries { get; }

    /// <summary>Threads that a call of this thread uses now; 0 on a GPU.</summary>
    public int Threads { get; }

    /// <summary>
    /// The reason for the number of <see cref="Threads"/>, such as <c>a CPU quota of 1.5 on 8 processors</c>; empty on
    /// a GPU.
    /// </summary>
    public string ThreadsReason { get; }

    /// <summary>SIMD instruction set in use; <see cref="SimdTarget.Best"/> on a GPU.</summary>
    public SimdTarget Simd { get; }

    /// <summary>A GPU's compute capability; 0.0 on the CPU.</summary>
    public Version ComputeCapability { get; }

    /// <summary>A GPU's multiprocessors; 0 on the CPU.</summary>
    public int Multiprocessors { get; }

    /// <summary>Total bytes of the device's memory; the machine's on the CPU.</summary>
    public long MemoryTotal { get; }

    /// <summary>Bytes of it that were free when this was asked.</summary>
    public long MemoryFree { get; }
}
