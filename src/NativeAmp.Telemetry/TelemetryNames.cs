using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace NativeAmp.Telemetry;

/// <summary>A value that can be sampled.</summary>
/// <param name="Pattern">Its name; <c>{i}</c> stands for a GPU's or a processor's number.</param>
/// <param name="Unit">Its unit in UCUM, as in OpenTelemetry: %, W, J, By, MiBy, Cel, MHz, 1.</param>
/// <param name="Description">A description.</param>
/// <param name="Source">The source that it is read from.</param>
public sealed record TelemetryName(string Pattern, string Unit, string Description, string Source)
{
    /// <summary>Whether it only grows, like an energy counter.</summary>
    public bool IsCounter => Pattern.EndsWith(TelemetryNames.Energy, StringComparison.Ordinal);
}

/// <summary>
/// Names of the values. They are those of Weights &amp; Biases' system metrics if it has one (wandb/wandb,
/// xpu/src/gpu_nvidia.rs and core/internal/monitor), so that its dashboards can read them.
/// </summary>
public static partial class TelemetryNames
{
    internal const string Energy = ".energyJoules";
    internal const string Power = ".powerWatts";

    /// <summary>Every name that the sources of this library use.</summary>
    public static ImmutableArray<TelemetryName> All { get; } =
    [
        new("gpu.{i}.gpu", "%", "time in which at least one kernel ran", "nvmlDeviceGetUtilizationRates"),
        new("gpu.{i}.memory", "%", "time in which device memory was read or written", "nvmlDeviceGetUtilizationRates"),
        new(
            "gpu.{i}.memoryAllocated",
            "%",
            "device memory in use, by all processes and the driver",
            "nvmlDeviceGetMemoryInfo"
        ),
        new("gpu.{i}.memoryAllocatedBytes", "By", "the same in bytes", "nvmlDeviceGetMemoryInfo"),
        new("gpu.{i}.temp", "Cel", "temperature of the die", "nvmlDeviceGetTemperature"),
        new("gpu.{i}.powerWatts", "W", "power of the whole board", "nvmlDeviceGetPowerUsage"),
        new(
            "gpu.{i}.enforcedPowerLimitWatts",
            "W",
            "the least of all limits in force",
            "nvmlDeviceGetEnforcedPowerLimit"
        ),
        new("gpu.{i}.powerPercent", "%", "power as a share of that limit", "both"),
        new("gpu.{i}.energyJoules", "J", "energy since the driver was loaded", "nvmlDeviceGetTotalEnergyConsumption"),
        new("gpu.{i}.smClock", "MHz", "clock of the multiprocessors", "nvmlDeviceGetClockInfo"),
        new("gpu.{i}.memoryClock", "MHz", "clock of the memory", "nvmlDeviceGetClockInfo"),
        new(
            "gpu.{i}.throttleReasons",
            "1",
            "why clocks are held down: bits of ThrottleReasons",
            "nvmlDeviceGetCurrentClocksEventReasons"
        ),
        new(
            "gpu.{i}.powerWattsMean",
            "W",
            "mean of the driver's own samples since the last line",
            "nvmlDeviceGetSamples"
        ),
        new("gpu.{i}.powerWattsMax", "W", "largest of them", "nvmlDeviceGetSamples"),
        new("gpu.{i}.gpuMean", "%", "as gpu.{i}.gpu, mean of the driver's own samples", "nvmlDeviceGetSamples"),
        new("gpu.{i}.memoryMean", "%", "as gpu.{i}.memory, mean of the driver's own samples", "nvmlDeviceGetSamples"),
        new("cpu", "%", "processor time of this process; 100 is all processors that it may use", "getrusage"),
        new("cpu.total.cpu_percent", "%", "time in which the machine's processors were busy", "/proc/stat"),
        new("cpu.{i}.cpu_percent", "%", "the same of one processor", "/proc/stat"),
        new(
            "cpu.energyJoules",
            "J",
            "energy of all processor packages since the sampler was made",
            "/sys/class/powercap (RAPL)"
        ),
        new("cpu.powerWatts", "W", "their mean power since the last line", "/sys/class/powercap (RAPL)"),
        new("proc.cpu.threads", "{thread}", "threads of this process", "/proc/self"),
        new("proc.memory.rssMB", "MiBy", "resident memory of this process", "/proc/self"),
        new("proc.memory.peakRssMB", "MiBy", "its largest so far", "/proc/self"),
        new("proc.memory.percent", "%", "resident memory as a share of the machine's", "/proc/self, /proc/meminfo"),
        new("proc.memory.availableMB", "MiBy", "memory of the machine that could be had", "/proc/meminfo"),
        new("memory_percent", "%", "memory of the machine that could not", "/proc/meminfo"),
        .. DeviceMemoryStatistics.Kinds.Select(kind => new TelemetryName(
            DeviceMemoryTelemetry.NameOf(kind),
            "By",
            $"NativeAmp's device memory in use now, of kind {kind}",
            "Device.MemoryStatistics"
        )),
        new(
            DeviceMemoryTelemetry.Peak,
            "By",
            "most of all kinds together since the last reset",
            "Device.MemoryStatistics"
        ),
        new(DeviceMemoryTelemetry.Cached, "By", "held for reuse, not in use", "Device.MemoryStatistics"),
    ];

    private static readonly Dictionary<string, TelemetryName> ByPattern = All.ToDictionary(
        name => name.Pattern,
        StringComparer.Ordinal
    );

    /// <summary>
    /// Finds the entry of a name such as <c>gpu.0.temp</c>; null if no source of this library uses it.
    /// </summary>
    public static TelemetryName? Find(string name) => ByPattern.GetValueOrDefault(Number().Replace(name, ".{i}."));

    [GeneratedRegex(@"\.[0-9]+\.")]
    private static partial Regex Number();
}
