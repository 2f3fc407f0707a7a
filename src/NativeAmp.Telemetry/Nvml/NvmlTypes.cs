using System.Runtime.InteropServices;

namespace NativeAmp.Telemetry;

// Names, numbers and layouts of NVIDIA's nvml.h (version 12); tests/gpu-emulator/src/nvml/layout_check.cpp compares its
// own with that header.

/// <summary>nvmlReturn_t: the results that are handled differently.</summary>
internal enum NvmlReturn
{
    Success = 0,
    NotSupported = 3,
    NotFound = 6,
    InsufficientSize = 7,
    FunctionNotFound = 13,
    GpuIsLost = 15,
}

/// <summary>nvmlTemperatureSensors_t.</summary>
internal enum NvmlTemperatureSensor
{
    Gpu = 0,
}

/// <summary>nvmlClockType_t.</summary>
internal enum NvmlClock
{
    Sm = 1,
    Memory = 2,
}

/// <summary>nvmlSamplingType_t.</summary>
internal enum NvmlSampling
{
    TotalPower = 0,
    GpuUtilization = 1,
    MemoryUtilization = 2,
}

/// <summary>nvmlValueType_t.</summary>
internal enum NvmlValueType
{
    Double = 0,
    UnsignedInt = 1,
    UnsignedLong = 2,
    UnsignedLongLong = 3,
    SignedLongLong = 4,
    SignedInt = 5,
}

/// <summary>nvmlUtilization_t.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NvmlUtilization
{
    public uint Gpu;
    public uint Memory;
}

/// <summary>nvmlMemory_t.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NvmlMemory
{
    public ulong Total;
    public ulong Free;
    public ulong Used;
}

/// <summary>nvmlSample_t: microseconds, and a union (nvmlValue_t).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NvmlSample
{
    public ulong TimeStamp;
    public ulong Value;

    /// <summary>The union's value in the type that the call gave; null for an unknown type.</summary>
    public readonly double? As(NvmlValueType type) =>
        type switch
        {
            NvmlValueType.Double => BitConverter.UInt64BitsToDouble(Value),
            NvmlValueType.UnsignedInt => (uint)Value,
            // unsigned long has four bytes on Windows.
            NvmlValueType.UnsignedLong => OperatingSystem.IsWindows() ? (uint)Value : Value,
            NvmlValueType.UnsignedLongLong => Value,
            NvmlValueType.SignedLongLong => (long)Value,
            NvmlValueType.SignedInt => (int)Value,
            _ => null,
        };
}
