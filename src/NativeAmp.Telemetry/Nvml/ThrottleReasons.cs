namespace NativeAmp.Telemetry;

/// <summary>
/// Why a GPU's clocks are not higher: the bits of <c>gpu.{i}.throttleReasons</c>, as nvml.h defines them
/// (nvmlClocksEventReasons).
/// </summary>
[Flags]
public enum ThrottleReasons : long
{
    /// <summary>Nothing holds them down.</summary>
    None = 0,

    /// <summary>Nothing runs.</summary>
    GpuIdle = 0x1,

    /// <summary>The clocks that somebody set for applications.</summary>
    ApplicationsClocksSetting = 0x2,

    /// <summary>The power limit, kept by software.</summary>
    SoftwarePowerCap = 0x4,

    /// <summary>
    /// Hardware halves the clocks or more: too hot, a power brake from outside, or too much power drawn at once.
    /// </summary>
    HardwareSlowdown = 0x8,

    /// <summary>The GPU is held to the clocks of others in its group.</summary>
    SyncBoost = 0x10,

    /// <summary>Too hot: software holds GPU or memory below their limit.</summary>
    SoftwareThermalSlowdown = 0x20,

    /// <summary>Too hot: hardware halves the clocks or more.</summary>
    HardwareThermalSlowdown = 0x40,

    /// <summary>A power brake from outside, such as the power supply's.</summary>
    HardwarePowerBrakeSlowdown = 0x80,

    /// <summary>The clocks that a display needs.</summary>
    DisplayClockSetting = 0x100,
}
