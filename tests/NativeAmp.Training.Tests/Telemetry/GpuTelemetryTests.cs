using NativeAmp.Telemetry;

namespace NativeAmp.Training.Tests.Telemetry;

/// <summary>A GPU's telemetry from values of NVML, which are in milliwatts, millijoules and bytes.</summary>
[NonParallelizable]
public class GpuTelemetryTests
{
    private const string Everything =
        "0 power=250500 limit=400000 energy=123456 gpu=87 memory=45 total=0x1000000000 used=0x400000000 temp=61 "
        + "sm=1410 mem=1593 reasons=0x24\n";

    [Test]
    public void Every_answer_has_its_name_and_unit()
    {
        using var nvml = new EmulatedNvml(Everything);
        using var gpu = GpuTelemetry.ByUuid(EmulatedNvml.Uuid);
        Assert.That((gpu.IsAvailable, gpu.Name), Is.EqualTo((true, "gpu.0")));
        Assert.That(
            gpu.Description,
            Does.StartWith($"NativeAmp emulated GPU, {EmulatedNvml.Uuid}, driver 000.00 (emulated)")
        );
        (Dictionary<string, double> values, Dictionary<string, string> missing) = Read(gpu);
        Assert.That(missing, Is.Empty);
        Assert.That(
            values,
            Is.EquivalentTo(
                new Dictionary<string, double>
                {
                    ["gpu.0.powerWatts"] = 250.5,
                    ["gpu.0.enforcedPowerLimitWatts"] = 400,
                    ["gpu.0.powerPercent"] = 62.625,
                    ["gpu.0.energyJoules"] = 123.456,
                    ["gpu.0.gpu"] = 87,
                    ["gpu.0.memory"] = 45,
                    ["gpu.0.memoryAllocatedBytes"] = 17_179_869_184,
                    ["gpu.0.memoryAllocated"] = 25,
                    ["gpu.0.temp"] = 61,
                    ["gpu.0.smClock"] = 1410,
                    ["gpu.0.memoryClock"] = 1593,
                    ["gpu.0.throttleReasons"] = (double)(
                        ThrottleReasons.SoftwarePowerCap | ThrottleReasons.SoftwareThermalSlowdown
                    ),
                }
            )
        );
    }

    [TestCase("nvmlDeviceGetPowerUsage", "powerWatts", "powerPercent")]
    [TestCase("nvmlDeviceGetEnforcedPowerLimit", "enforcedPowerLimitWatts", "powerPercent")]
    [TestCase("nvmlDeviceGetTotalEnergyConsumption", "energyJoules")]
    [TestCase("nvmlDeviceGetUtilizationRates", "gpu", "memory")]
    [TestCase("nvmlDeviceGetMemoryInfo", "memoryAllocated", "memoryAllocatedBytes")]
    [TestCase("nvmlDeviceGetTemperature", "temp")]
    [TestCase("nvmlDeviceGetClockInfo", "smClock", "memoryClock")]
    [TestCase("nvmlDeviceGetCurrentClocksEventReasons", "throttleReasons")]
    [TestCase("nvmlDeviceGetSamples", "powerWattsMean", "powerWattsMax", "gpuMean", "memoryMean")]
    public void A_call_that_fails_takes_its_own_values_and_no_others(string function, params string[] names)
    {
        using var nvml = new EmulatedNvml(Everything + $"0 fail.{function}=4\n");
        using var gpu = GpuTelemetry.ByUuid(EmulatedNvml.Uuid);
        (Dictionary<string, double> values, Dictionary<string, string> missing) = Read(gpu);
        Assert.That(missing.Keys, Is.EquivalentTo(names.Select(name => "gpu.0." + name)));
        Assert.That(missing["gpu.0." + names[0]], Is.EqualTo("Insufficient Permissions (4)"));
        Assert.That(values, Has.Count.EqualTo(12 - (function == "nvmlDeviceGetSamples" ? 0 : names.Length)));
    }

    [Test]
    public void What_is_not_supported_or_has_no_value_is_absent()
    {
        using var nvml = new EmulatedNvml(Everything + "0 temp=na power=none limit=0 total=0 used=0\n");
        using var gpu = GpuTelemetry.ByUuid(EmulatedNvml.Uuid);
        (Dictionary<string, double> values, Dictionary<string, string> missing) = Read(gpu);
        Assert.That(
            missing,
            Is.EquivalentTo(
                new Dictionary<string, string>
                {
                    ["gpu.0.temp"] = "Not Supported (3)",
                    ["gpu.0.powerWatts"] = "NVML has no value (N/A)",
                    ["gpu.0.powerPercent"] = "the power limit is 0",
                    ["gpu.0.memoryAllocated"] = "NVML gives 0 bytes of memory in all",
                }
            )
        );
        Assert.That(values["gpu.0.memoryAllocatedBytes"], Is.Zero);
    }

    [Test]
    public void An_old_driver_has_the_old_name_of_throttle_reasons()
    {
        using var nvml = new EmulatedNvml(Everything + "0 fail.nvmlDeviceGetCurrentClocksEventReasons=13\n");
        using var gpu = GpuTelemetry.ByUuid(EmulatedNvml.Uuid);
        Assert.That(Read(gpu).Values["gpu.0.throttleReasons"], Is.EqualTo(0x24));
    }

    [Test]
    public void A_GPU_that_is_lost_in_mid_run_is_said_once_and_may_come_back()
    {
        using var nvml = new EmulatedNvml(Everything + "2 lost\n4 back temp=40\n");
        using var sampler = new TelemetrySampler([GpuTelemetry.ByUuid(EmulatedNvml.Uuid)], TimeSpan.FromSeconds(1));
        TelemetrySample[] samples = [.. Enumerable.Range(0, 6).Select(_ => sampler.SampleNow())];
        Assert.That(
            samples.Select(sample => sample.Values.Count > 0),
            Is.EqualTo(new[] { true, true, false, false, true, true })
        );
        TelemetrySample lost = samples[2];
        Assert.That(lost.NewlyMissing["gpu.0.temp"], Is.EqualTo("GPU is lost (15)"));
        Assert.That(lost.NewlyMissing, Has.Count.EqualTo(16), "every value of a GPU, with the driver's own samples");
        Assert.That(samples[3].NewlyMissing, Is.Empty);
        Assert.That(samples[5].Values["gpu.0.temp"], Is.EqualTo(40));
    }

    [Test]
    public void The_drivers_own_samples_give_mean_and_maximum_between_two_readings()
    {
        using var nvml = new EmulatedNvml(
            Everything
                + "0 buffer.power=900000 buffer.gpu=100\n1 buffer.power=100000,300000,200000 buffer.gpu=50,60 "
                + "buffer.memory=7\n"
        );
        using var gpu = GpuTelemetry.ByUuid(EmulatedNvml.Uuid);
        Assert.That(Read(gpu).Values.Keys, Has.None.Contain("Mean"), "what was before the first reading is another's");
        Dictionary<string, double> values = Read(gpu).Values;
        Assert.That((values["gpu.0.powerWattsMean"], values["gpu.0.powerWattsMax"]), Is.EqualTo((200.0, 300.0)));
        Assert.That((values["gpu.0.gpuMean"], values["gpu.0.memoryMean"]), Is.EqualTo((55.0, 7.0)));
        (values, Dictionary<string, string> missing) = Read(gpu);
        Assert.That(values.Keys, Has.None.Contain("Mean"), "nothing new");
        Assert.That(missing, Is.Empty);
    }

    [Test]
    public void All_GPUs_are_found_by_number_and_each_has_its_own_answers()
    {
        using var nvml = new EmulatedNvml("gpus 3\n0 temp=30\n0 gpu:2 temp=70\n");
        IReadOnlyList<GpuTelemetry> gpus = GpuTelemetry.All();
        Assert.That(gpus.Select(gpu => gpu.Name), Is.EqualTo(new[] { "gpu.0", "gpu.1", "gpu.2" }));
        Assert.That(gpus.Select(gpu => Read(gpu).Values[gpu.Name + ".temp"]), Is.EqualTo(new[] { 30.0, 30, 70 }));
        foreach (GpuTelemetry gpu in gpus)
            gpu.Dispose();
    }

    [Test]
    public void A_GPU_is_found_by_the_UUID_of_its_CUDA_device_whatever_its_number()
    {
        EmulatedGpu.Require();
        using var nvml = new EmulatedNvml(Everything);
        using Device device = DeviceKind.Cuda.Open();
        using var gpu = GpuTelemetry.Of(device);
        Assert.That(gpu.Description, Does.Contain(EmulatedNvml.Uuid));

        using Device cpu = Device.Cpu();
        Assert.That(() => GpuTelemetry.Of(cpu), Throws.ArgumentException.With.Message.Contains("kind Cpu"));
    }

    [TestCase("0 fail.nvmlInit_v2=9", "does not start: Driver Not Loaded (9))")]
    [TestCase("gpus 0", "NVML does not know the GPU GPU-6e616d70-656d-7500-0000-000000000000: Not Found (6)")]
    [TestCase("0 fail.nvmlDeviceGetHandleByUUID=4", "Insufficient Permissions (4)")]
    public void What_cannot_be_opened_says_why_with_every_reading(string script, string reason)
    {
        using var nvml = new EmulatedNvml(script);
        using var gpu = GpuTelemetry.ByUuid(EmulatedNvml.Uuid);
        Assert.That(gpu.IsAvailable, Is.False);
        (Dictionary<string, double> values, Dictionary<string, string> missing) = Read(gpu);
        Assert.That(values, Is.Empty);
        Assert.That(missing["gpu"], Does.EndWith(reason));
    }

    [Test]
    public void Without_the_library_the_reason_names_what_was_tried()
    {
        using var named = new NativeVariable("NATIVEAMP_NVML_LIBRARY", "/no/such/libnvidia-ml.so.1");
        GpuTelemetry gpu = GpuTelemetry.All().Single();
        Assert.That(
            Read(gpu).Missing["gpu"],
            Does.StartWith("no NVML that works was found (it comes with NVIDIA's driver): /no/such/libnvidia-ml.so.1 (")
        );
        NativeLibraryAttempt tried = NativeAmpRuntime.SearchFor(VendorLibrary.Nvml).Single();
        Assert.That(tried.Location, Is.EqualTo("/no/such/libnvidia-ml.so.1"));
        Assert.That(tried.Failure, Does.Contain("No such file"));
    }

    private static (Dictionary<string, double> Values, Dictionary<string, string> Missing) Read(GpuTelemetry gpu)
    {
        var reading = new TelemetryReading();
        gpu.Read(reading);
        return (reading.Values, reading.Missing);
    }
}
