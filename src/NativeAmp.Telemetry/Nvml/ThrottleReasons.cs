namespace NativeAmp.Telemetry;

/// <summary>
/// Reasons why a GPU's clocks are held down: the bits of <c>gpu.{i}.throttleReasons</c>, as nvml.h defines them
/// (nvmlClocksEventReasons).
/// </summary>
[Flags]
public enum ThrottleReasons : long
{
    /// <summary>No reason.</summary>
    None = 0,

    /// <summary>The GPU is idle.</summary>
    GpuIdle = 0x1,

    /// <summary>The application clocks that were set.</summary>
    ApplicationsClocksSetting = 0x2,

    /// <summary>The power limit, kept by software.</summary>
    SoftwarePowerCap = 0x4,

    /// <summary>
    /// Hardware halves the clocks or more: the GPU is too hot, gets an external power brake, or draws too much power.
    /// </summary>
    HardwareSlowdown = 0x8,

    /// <summary>The GPU follows the clocks of others in its group.</summary>
    SyncBoost = 0x10,

    /// <summary>Too hot: software holds GPU or memory below their limit.</summary>
    SoftwareThermalSlowdown = 0x20,

    /// <summary>Too hot: hardware halves the clocks or more.</summary>
    HardwareThermalSlowdown = 0x40,

    /// <summary>A power brake from outside, such as the power supply's.</summary>
    HardwarePowerBrakeSlowdown = 0x80,

    /// <summary>The clocks of the display setting.</summary>
    DisplayClockSetting = 0x100,
}
