using System.Diagnostics;
using System.Globalization;

namespace NativeAmp.Telemetry;

/// <summary>
/// Telemetry of the machine's processors and this process: processor time, resident memory, and the packages' energy if
/// RAPL (Intel's and AMD's running average power limit) can be read. The machine's figures are available only on Linux.
/// </summary>
public sealed class CpuTelemetry : ITelemetrySource
{
    private const string NotLinux = "only Linux has /proc";
    private const double MiB = 1 << 20;

    private readonly string _proc;
    private readonly RaplCounter _rapl;
    private readonly ProcessClock _clock;
    private Dictionary<string, ProcessorTime> _machine;
    private ProcessMoment _process;
    private double? _joules;
    private long _joulesAt;

    /// <summary>Finds the values that can be read.</summary>
    public CpuTelemetry()
        : this("/proc", "/sys/class/powercap") { }

    internal CpuTelemetry(string proc, string powercap, ProcessClock? clock = null)
    {
        _proc = proc;
        _rapl = new RaplCounter(powercap);
        _clock = clock ?? new ProcessClock(() => Environment.CpuUsage.TotalTime, TimeProvider.System);
        _machine = TryReadMachine(out _) ?? [];
        _process = _clock.Read();
    }

    /// <inheritdoc/>
    public string Name => "cpu";

    /// <summary>Whether the processors' energy can be read here.</summary>
    /// <param name="reason">The names of the packages, or why there are none.</param>
    public static bool HasEnergy(out string reason)
    {
        var counter = new RaplCounter("/sys/class/powercap");
        bool has = counter.TryRead(out _, out string why);
        reason = has ? string.Join(", ", counter.Packages) : why;
        return has;
    }

    /// <inheritdoc/>
    public void Read(TelemetryReading reading)
    {
        ArgumentNullException.ThrowIfNull(reading);
        ReadProcessTime(reading);
        ReadMachine(reading);
        ReadMemory(reading);
        ReadEnergy(reading);
    }

    /// <inheritdoc/>
    public void Dispose() { }

    private void ReadProcessTime(TelemetryReading reading)
    {
        ProcessMoment now = _clock.Read();
        TimeSpan elapsed = _clock.Elapsed(_process, now);
        // The kernel counts a thread on another processor at its next tick. A late tick may show more time than there
        // was.
        if (elapsed > TimeSpan.Zero)
            reading.Add("cpu", Math.Min(100, 100 * (now.Used - _process.Used) / elapsed / Environment.ProcessorCount));
        _process = now;
    }

    private void ReadMachine(TelemetryReading reading)
    {
        if (TryReadMachine(out string reason) is not { } now)
        {
            reading.NotAvailable("cpu.total.cpu_percent", reason);
            return;
        }

        foreach ((string name, ProcessorTime time) in now)
        {
            // The kernel counts hundredths of a second: two readings within one hundredth give no share.
            if (_machine.TryGetValue(name, out ProcessorTime before) && time.Total > before.Total)
                reading.Add(name, Math.Clamp(100.0 * (time.Busy - before.Busy) / (time.Total - before.Total), 0, 100));
        }

        _machine = now;
    }

    private Dictionary<string, ProcessorTime>? TryReadMachine(out string reason)
    {
        reason = NotLinux;
        if (!OperatingSystem.IsLinux())
            return null;
        try
        {
            return ProcessorTime.Parse(File.ReadAllText(Path.Combine(_proc, "stat")));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            reason = e.Message.TrimEnd('.');
            return null;
        }
    }

    private void ReadMemory(TelemetryReading reading)
    {
        using var process = Process.GetCurrentProcess();
        reading.Add("proc.cpu.threads", process.Threads.Count);
        reading.Add("proc.memory.rssMB", process.WorkingSet64 / MiB);
        reading.Add("proc.memory.peakRssMB", process.PeakWorkingSet64 / MiB);
        if (TryReadMemInfo(out double total, out double available, out string reason))
        {
            reading.Add("proc.memory.availableMB", available / MiB);
            reading.Add("memory_percent", 100 * (total - available) / total);
            reading.Add("proc.memory.percent", 100 * process.WorkingSet64 / total);
            return;
        }

        foreach (string name in (string[])["proc.memory.availableMB", "memory_percent", "proc.memory.percent"])
            reading.NotAvailable(name, reason);
    }

    private bool TryReadMemInfo(out double total, out double available, out string reason)
    {
        (total, available, reason) = (double.NaN, double.NaN, NotLinux);
        if (!OperatingSystem.IsLinux())
            return false;
        try
        {
            foreach (string line in File.ReadLines(Path.Combine(_proc, "meminfo")))
            {
                string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (fields is ["MemTotal:", var all, "kB"])
                    total = double.Parse(all, CultureInfo.InvariantCulture) * 1024;
                else if (fields is ["MemAvailable:", var free, "kB"])
                    available = double.Parse(free, CultureInfo.InvariantCulture) * 1024;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            reason = e.Message.TrimEnd('.');
            return false;
        }

        reason = "/proc/meminfo does not say it";
        return total > 0 && available >= 0;
    }

    private void ReadEnergy(TelemetryReading reading)
    {
        if (!_rapl.TryRead(out double joules, out string reason))
        {
            reading.NotAvailable("cpu.energyJoules", reason);
            reading.NotAvailable("cpu.powerWatts", reason);
            _joules = null;
            return;
        }

        long now = Stopwatch.GetTimestamp();
        reading.Add("cpu.energyJoules", joules);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_joulesAt, now);
        if (_joules is { } before && elapsed > TimeSpan.Zero)
            reading.Add("cpu.powerWatts", (joules - before) / elapsed.TotalSeconds);
        (_joules, _joulesAt) = (joules, now);
    }
}
