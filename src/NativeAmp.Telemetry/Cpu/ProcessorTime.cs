using System.Globalization;

namespace NativeAmp.Telemetry;

/// <summary>A processor's time since the machine started, in the kernel's ticks (proc(5), /proc/stat).</summary>
/// <param name="Busy">Time that was neither idle nor waiting for a disk.</param>
/// <param name="Total">All time.</param>
internal readonly record struct ProcessorTime(long Busy, long Total)
{
    // user, nice, system, idle, iowait, irq, softirq, steal. Then come guests' times, which are part of user and nice.
    private const int Fields = 8;
    private const int Idle = 3;
    private const int WaitingForDisk = 4;

    /// <summary>Parses the times of each processor and of all together, by the names of telemetry.</summary>
    /// <exception cref="FormatException">The text is not in the kernel's format.</exception>
    public static Dictionary<string, ProcessorTime> Parse(string stat)
    {
        var times = new Dictionary<string, ProcessorTime>(StringComparer.Ordinal);
        foreach (string line in stat.Split('\n'))
        {
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length == 0 || !fields[0].StartsWith("cpu", StringComparison.Ordinal))
                continue;
            long[] ticks =
            [
                .. fields
                    .Skip(1)
                    .Take(Fields)
                    .Select(field =>
                        long.TryParse(field, CultureInfo.InvariantCulture, out long value)
                            ? value
                            : throw new FormatException($"/proc/stat says '{field}' where a number was expected")
                    ),
            ];
            if (ticks.Length <= WaitingForDisk)
                throw new FormatException($"/proc/stat has {ticks.Length} numbers for {fields[0]}, fewer than five");
            long total = ticks.Sum();
            string number = fields[0][3..];
            times[number.Length == 0 ? "cpu.total.cpu_percent" : $"cpu.{number}.cpu_percent"] = new(
                total - ticks[Idle] - ticks[WaitingForDisk],
                total
            );
        }

        return times.Count > 0 ? times : throw new FormatException("/proc/stat names no processor");
    }
}
