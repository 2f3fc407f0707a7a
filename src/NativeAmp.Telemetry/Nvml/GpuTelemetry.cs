namespace NativeAmp.Telemetry;

/// <summary>
/// Telemetry of an NVIDIA GPU through NVML: power, energy, memory, utilization, temperature, clocks. Creating one never
/// fails. Without NVML, a driver or such a GPU, every reading gives that reason.
/// </summary>
public sealed class GpuTelemetry : ITelemetrySource
{
    private const double Thousand = 1000;

    // NVML's value for "not available" when a call succeeds (NVML_VALUE_NOT_AVAILABLE, of 32 bits).
    private const uint NoValue = uint.MaxValue;

    private readonly NvmlLibrary? _nvml;
    private readonly nint _device;
    private readonly string _reason;
    private readonly NvmlSampleBuffer[] _buffers = [];
    private bool _disposed;

    private GpuTelemetry(NvmlLibrary? nvml, nint device, string prefix, string reason)
    {
        (_nvml, _device, Name, _reason) = (nvml, device, prefix, reason);
        if (nvml is null)
            return;
        _buffers =
        [
            new(nvml, device, NvmlSampling.TotalPower, Thousand, Of("powerWattsMean"), Of("powerWattsMax")),
            new(nvml, device, NvmlSampling.GpuUtilization, 1, Of("gpuMean")),
            new(nvml, device, NvmlSampling.MemoryUtilization, 1, Of("memoryMean")),
        ];
    }

    /// <summary>
    /// Prefix of its values: <c>gpu.</c> and NVML's number of the GPU, or <c>gpu</c> if there is none.
    /// </summary>
    public string Name { get; }

    /// <summary>Whether the GPU can be read.</summary>
    public bool IsAvailable => _nvml is not null;

    /// <summary>The GPU's name, UUID and driver; or why it cannot be read.</summary>
    public string Description =>
        _nvml is null
            ? _reason
            : $"{_nvml.DeviceText("nvmlDeviceGetName", _device) ?? "a GPU"}, "
                + $"{_nvml.DeviceText("nvmlDeviceGetUUID", _device) ?? "no UUID"}, driver {_nvml.DriverVersion}, "
                + $"{_nvml.Path}";

    /// <summary>Telemetry of a CUDA device, which is found by its UUID.</summary>
    /// <param name="device">The device; it stays the caller's.</param>
    /// <exception cref="ArgumentException">The device is not a GPU.</exception>
    public static GpuTelemetry Of(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (device.Kind != DeviceKind.Cuda)
            throw new ArgumentException(
                $"Telemetry of a GPU needs a device of CUDA; this one is of kind {device.Kind}.",
                nameof(device)
            );
        return CudaDeviceUuid.Of(device.Ordinal, out string reason) is { } uuid
            ? ByUuid(uuid)
            : new GpuTelemetry(null, 0, "gpu", reason);
    }

    /// <summary>Telemetry of the GPU with a UUID, as <c>nvidia-smi -L</c> lists it.</summary>
    /// <param name="uuid">"GPU-" and hexadecimal digits in five groups.</param>
    public static GpuTelemetry ByUuid(string uuid)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(uuid);
        return Open(nvml => (nvml.Find(uuid, out nint device), device), $"the GPU {uuid}");
    }

    /// <summary>
    /// Telemetry of every GPU that NVML knows. Without a GPU it is a single one, whose description gives the reason.
    /// </summary>
    public static IReadOnlyList<GpuTelemetry> All()
    {
        if (NvmlLibrary.TryOpen(out string reason) is not { } nvml)
            return [new GpuTelemetry(null, 0, "gpu", reason)];
        using (nvml)
        {
            NvmlReturn result = nvml.Count(out uint count);
            if (result != NvmlReturn.Success || count == 0)
                return
                [
                    new GpuTelemetry(
                        null,
                        0,
                        "gpu",
                        result == NvmlReturn.Success
                            ? $"{nvml.Path} knows no GPU"
                            : $"GPUs cannot be counted: {nvml.Describe(result)}"
                    ),
                ];
            return
            [
                .. Enumerable
                    .Range(0, (int)count)
                    .Select(i => Open(each => (each.Find((uint)i, out nint device), device), $"GPU {i}")),
            ];
        }
    }

    /// <inheritdoc/>
    public void Read(TelemetryReading reading)
    {
        ArgumentNullException.ThrowIfNull(reading);
        if (_nvml is null)
        {
            reading.NotAvailable(Name, _reason);
            return;
        }

        ObjectDisposedException.ThrowIf(_disposed, this);
        ReadPower(reading, _nvml);
        ReadUse(reading, _nvml);
        ReadClocks(reading, _nvml);
        foreach (NvmlSampleBuffer buffer in _buffers)
            buffer.Read(reading);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _nvml?.Dispose();
    }

    private static GpuTelemetry Open(Func<NvmlLibrary, (NvmlReturn Result, nint Device)> find, string what)
    {
        if (NvmlLibrary.TryOpen(out string reason) is not { } nvml)
            return new GpuTelemetry(null, 0, "gpu", reason);
        (NvmlReturn result, nint device) = find(nvml);
        if (result != NvmlReturn.Success)
        {
            reason = $"NVML does not know {what}: {nvml.Describe(result)}";
            nvml.Dispose();
            return new GpuTelemetry(null, 0, "gpu", reason);
        }

        uint index = nvml.Get("nvmlDeviceGetIndex", device, out uint number) == NvmlReturn.Success ? number : 0;
        return new GpuTelemetry(nvml, device, $"gpu.{index}", "");
    }

    private void ReadPower(TelemetryReading reading, NvmlLibrary nvml)
    {
        double? power = Take(
            reading,
            "powerWatts",
            nvml.Get("nvmlDeviceGetPowerUsage", _device, out uint milliwatts),
            milliwatts,
            Thousand
        );
        double? limit = Take(
            reading,
            "enforcedPowerLimitWatts",
            nvml.Get("nvmlDeviceGetEnforcedPowerLimit", _device, out uint most),
            most,
            Thousand
        );
        if (power is { } watts && limit is > 0 and { } all)
            reading.Add(Of("powerPercent"), 100 * watts / all);
        else
            reading.NotAvailable(
                Of("powerPercent"),
                limit is 0 ? "the power limit is 0" : $"{(power is null ? "the power" : "its limit")} is not available"
            );
        NvmlReturn result = nvml.Get("nvmlDeviceGetTotalEnergyConsumption", _device, out ulong millijoules);
        if (Succeeded(reading, "energyJoules", result))
            reading.Add(Of("energyJoules"), millijoules / Thousand);
    }

    private void ReadUse(TelemetryReading reading, NvmlLibrary nvml)
    {
        NvmlReturn result = nvml.Get("nvmlDeviceGetUtilizationRates", _device, out NvmlUtilization utilization);
        Take(reading, "gpu", result, utilization.Gpu, 1);
        Take(reading, "memory", result, utilization.Memory, 1);
        result = nvml.Get("nvmlDeviceGetMemoryInfo", _device, out NvmlMemory memory);
        bool read = Succeeded(reading, "memoryAllocatedBytes", result);
        if (read)
            reading.Add(Of("memoryAllocatedBytes"), memory.Used);
        if (read && memory.Total > 0)
            reading.Add(Of("memoryAllocated"), 100.0 * memory.Used / memory.Total);
        else if (Succeeded(reading, "memoryAllocated", result))
            reading.NotAvailable(Of("memoryAllocated"), "NVML gives 0 bytes of memory in all");
        Take(
            reading,
            "temp",
            nvml.Get("nvmlDeviceGetTemperature", _device, (int)NvmlTemperatureSensor.Gpu, out uint celsius),
            celsius,
            1
        );
    }

    private void ReadClocks(TelemetryReading reading, NvmlLibrary nvml)
    {
        Take(
            reading,
            "smClock",
            nvml.Get("nvmlDeviceGetClockInfo", _device, (int)NvmlClock.Sm, out uint clock),
            clock,
            1
        );
        Take(
            reading,
            "memoryClock",
            nvml.Get("nvmlDeviceGetClockInfo", _device, (int)NvmlClock.Memory, out clock),
            clock,
            1
        );
        NvmlReturn result = nvml.Get("nvmlDeviceGetCurrentClocksEventReasons", _device, out ulong reasons);
        // The function's name before driver 535.
        if (result == NvmlReturn.FunctionNotFound)
            result = nvml.Get("nvmlDeviceGetCurrentClocksThrottleReasons", _device, out reasons);
        if (Succeeded(reading, "throttleReasons", result))
            reading.Add(Of("throttleReasons"), reasons);
    }

    private double? Take(TelemetryReading reading, string name, NvmlReturn result, uint value, double parts)
    {
        if (!Succeeded(reading, name, result))
            return null;
        if (value == NoValue)
        {
            reading.NotAvailable(Of(name), "NVML has no value (N/A)");
            return null;
        }

        reading.Add(Of(name), value / parts);
        return value / parts;
    }

    private bool Succeeded(TelemetryReading reading, string name, NvmlReturn result)
    {
        if (result == NvmlReturn.Success)
            return true;
        reading.NotAvailable(Of(name), _nvml!.Describe(result));
        return false;
    }

    private string Of(string name) => $"{Name}.{name}";
}
