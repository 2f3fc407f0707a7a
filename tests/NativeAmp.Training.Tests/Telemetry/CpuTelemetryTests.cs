using NativeAmp.Telemetry;

namespace NativeAmp.Training.Tests.Telemetry;

/// <summary>
/// Telemetry of the processors, from files in the kernel's format (proc(5); Documentation/power/powercap).
/// </summary>
[Platform("Linux")]
public class CpuTelemetryTests
{
    private string _folder = "";

    private string Proc => Path.Combine(_folder, "proc");

    private string PowerCap => Path.Combine(_folder, "powercap");

    [SetUp]
    public void MakeFolders()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        Write("proc/meminfo", "MemTotal:        1000 kB\nMemFree:          100 kB\nMemAvailable:    250 kB\n");
        Stat("cpu  100 0 100 700 100 0 0 0 0 0", "cpu0 50 0 50 350 50 0 0 0 0 0");
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    // user, nice, system, idle, iowait, irq, softirq, steal; 400 ticks more, 200 of them idle, 100 waiting for a disk.
    [Test]
    public void Machine_time_is_what_was_neither_idle_nor_waiting()
    {
        var cpu = new CpuTelemetry(Proc, PowerCap);
        Stat("cpu  150 0 130 900 200 5 5 10 99 99", "cpu0 50 0 50 350 50 0 0 0 0 0");
        Dictionary<string, double> values = Read(cpu).Values;
        Assert.That(values["cpu.total.cpu_percent"], Is.EqualTo(25));
        Assert.That(values.Keys, Has.None.EqualTo("cpu.0.cpu_percent"), "no tick has passed there");
        Assert.That((values["memory_percent"], values["proc.memory.availableMB"]), Is.EqualTo((75.0, 250.0 / 1024)));
    }

    [Test]
    public void This_process_has_its_time_its_threads_and_its_memory()
    {
        var cpu = new CpuTelemetry();
        Thread.SpinWait(1_000_000);
        Dictionary<string, double> values = Read(cpu).Values;
        Assert.That(values["cpu"], Is.InRange(0, 100), "of all processors");
        Assert.That(values["proc.cpu.threads"], Is.GreaterThanOrEqualTo(2));
        Assert.That(values["proc.memory.rssMB"], Is.GreaterThan(10));
        Assert.That(values["proc.memory.peakRssMB"], Is.GreaterThanOrEqualTo(values["proc.memory.rssMB"] * 0.99));
        Assert.That(values["proc.memory.percent"], Is.InRange(0.01, 100));
    }

    // Half of all processors' time is used. The sampler loses its processor for 50 ms between that reading and the
    // clock's.
    [Test]
    public void A_sampler_that_loses_its_processor_finds_no_more_work_than_there_was()
    {
        var time = new HandTime();
        TimeSpan lost = TimeSpan.Zero;
        var cpu = new CpuTelemetry(
            Proc,
            PowerCap,
            new ProcessClock(
                () =>
                {
                    TimeSpan used = time.Now * Environment.ProcessorCount / 2;
                    time.Now += lost;
                    lost = TimeSpan.Zero;
                    return used;
                },
                time
            )
        );
        time.Now += TimeSpan.FromSeconds(1);
        lost = TimeSpan.FromMilliseconds(50);
        Assert.That(Read(cpu).Values["cpu"], Is.EqualTo(50).Within(1e-9));
        time.Now += TimeSpan.FromMilliseconds(100);
        Assert.That(Read(cpu).Values["cpu"], Is.EqualTo(50).Within(1e-9));
    }

    // Another processor's tick counts five milliseconds too late.
    [Test]
    public void A_tick_that_comes_late_makes_no_more_than_all_processors()
    {
        var time = new HandTime();
        var cpu = new CpuTelemetry(
            Proc,
            PowerCap,
            new ProcessClock(
                () =>
                    (time.Now * Environment.ProcessorCount)
                    + TimeSpan.FromMilliseconds(time.Now > TimeSpan.Zero ? 5 : 0),
                time
            )
        );
        time.Now += TimeSpan.FromMilliseconds(10);
        Assert.That(Read(cpu).Values["cpu"], Is.EqualTo(100));
    }

    [TestCase("cpu  1 2 x 4 5", "'x'")]
    [TestCase("cpu  1 2 3", "3 numbers")]
    [TestCase("intr 5", "names no processor")]
    public void What_the_kernel_would_not_write_is_not_available(string stat, string reason)
    {
        var cpu = new CpuTelemetry(Proc, PowerCap);
        Stat(stat);
        File.Delete(Path.Combine(Proc, "meminfo"));
        (Dictionary<string, double> values, Dictionary<string, string> missing) = Read(cpu);
        Assert.That(missing["cpu.total.cpu_percent"], Does.Contain(reason));
        Assert.That(missing["memory_percent"], Does.Contain("meminfo"));
        Assert.That(values.Keys, Has.Some.EqualTo("proc.memory.rssMB"));
    }

    // The first package wraps around at 1,000,000 µJ: from 900,000 over 1,000,000 to 100,000 are 0.2 J.
    [Test]
    public void Energy_is_that_of_all_packages_and_counts_on_where_a_counter_wraps_around()
    {
        Zone("intel-rapl:0", "package-0", 900_000, 1_000_000);
        Zone("intel-rapl:1", "package-1", 5_000_000, 262_143_328_850);
        Zone("intel-rapl:0:0", "core", 7, 10);
        Zone("intel-rapl:2", "psys", 7, 10);
        Zone("intel-rapl-mmio:0", "package-0", 7, 10);
        var cpu = new CpuTelemetry(Proc, PowerCap);
        Assert.That(Read(cpu).Values["cpu.energyJoules"], Is.Zero, "from the first reading");
        Zone("intel-rapl:0", "package-0", 100_000, 1_000_000);
        Zone("intel-rapl:1", "package-1", 6_500_000, 262_143_328_850);
        Dictionary<string, double> values = Read(cpu).Values;
        Assert.That(values["cpu.energyJoules"], Is.EqualTo(1.7).Within(1e-12));
        Assert.That(values["cpu.powerWatts"], Is.Positive);
        Zone("intel-rapl:0", "package-0", 300_000, 1_000_000);
        Assert.That(Read(cpu).Values["cpu.energyJoules"], Is.EqualTo(1.9).Within(1e-12));
    }

    [Test]
    public void Without_counters_energy_is_not_available_and_says_why()
    {
        Dictionary<string, string> missing = Read(new CpuTelemetry(Proc, PowerCap)).Missing;
        Assert.That(missing.Keys, Is.EquivalentTo(new[] { "cpu.energyJoules", "cpu.powerWatts" }));
        Assert.That(
            missing["cpu.energyJoules"],
            Does.StartWith("this machine has no RAPL counters").And.Contain(PowerCap)
        );
        Zone("intel-rapl:0", "package-0", 1, 10);
        Write("powercap/intel-rapl:0/energy_uj", "lots\n");
        Assert.That(
            Read(new CpuTelemetry(Proc, PowerCap)).Missing["cpu.energyJoules"],
            Does.Contain("energy_uj says 'lots'")
        );
    }

    [Test]
    public void A_counter_that_only_root_may_read_says_so()
    {
        Zone("intel-rapl:0", "package-0", 1, 10);
        // .NET fails on a folder as on a file without permission. That also works for root, who may run this test.
        File.Delete(Path.Combine(PowerCap, "intel-rapl:0", "energy_uj"));
        Directory.CreateDirectory(Path.Combine(PowerCap, "intel-rapl:0", "energy_uj"));
        Assert.That(
            Read(new CpuTelemetry(Proc, PowerCap)).Missing["cpu.energyJoules"],
            Does.Contain("Only root may read it")
        );
    }

    private sealed class HandTime : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }

    private static (Dictionary<string, double> Values, Dictionary<string, string> Missing) Read(CpuTelemetry cpu)
    {
        var reading = new TelemetryReading();
        cpu.Read(reading);
        return (reading.Values, reading.Missing);
    }

    private void Stat(params string[] lines) => Write("proc/stat", string.Join('\n', lines) + "\nintr 1 2 3\n");

    private void Zone(string zone, string name, long energy, long range)
    {
        Write($"powercap/{zone}/name", name + "\n");
        Write($"powercap/{zone}/energy_uj", energy.ToString(System.Globalization.CultureInfo.InvariantCulture) + "\n");
        Write(
            $"powercap/{zone}/max_energy_range_uj",
            range.ToString(System.Globalization.CultureInfo.InvariantCulture) + "\n"
        );
    }

    private void Write(string file, string text)
    {
        string path = Path.Combine(_folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
